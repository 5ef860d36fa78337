//! What nobody needs is taken away when somebody says so, and nothing else.

use checks::drive::is_alive;
use checks::finding::Finding;
use checks::mould;
use checks::stage::{Stage, folder};

use crate::lodge::{Lodge, equal, says};

/// In a place of its own: the other checks' containers would go, too.
pub(crate) fn takes(stage: &Stage) -> Result<(), Finding> {
    let place = tempfile::tempdir_in(folder()?)?;
    mould::ready_at(place.path())?;
    let lodge = Lodge::at(stage, place.path().into())?;
    let (runs, first) = lodge.guest("runs", &["-v", "/drive"])?;
    let (ended, made) = (lodge.run("ended", &["-v", "/drive"], &["true"])?, lodge.expects("made"));
    says(&lodge.tell(&["wait", &ended])?, "0\n")?;
    equal(&lodge.tell(&["create", "--name", &made, mould::IMAGE])?.code.to_string(), "0")?;
    let named = lodge.volume("named");
    says(&lodge.tell(&["volume", "create", &named])?, &format!("{named}\n"))?;

    let containers = || -> Result<String, Finding> {
        let told = lodge.tell(&["ps", "-a", "--format", "{{.Names}}"])?.stdout;
        let mut names: Vec<&str> = told.lines().filter_map(|name| name.rsplit('-').next()).collect();
        names.sort_unstable();
        Ok(names.join(" "))
    };
    let volumes =
        || Ok::<_, Finding>(lodge.tell(&["volume", "ls", "-q"])?.stdout.lines().count().to_string());

    // Nobody answers, so nobody has said yes.
    let asked = lodge.tell(&["system", "prune"])?;
    equal(&asked.stderr.starts_with("WARNING! This will remove:").to_string(), "true")?;
    equal(&containers()?, "ended made runs")?;

    equal(&lodge.tell(&["system", "prune", "--force"])?.code.to_string(), "0")?;
    equal(&containers()?, "runs")?;
    // Data is nobody's but its owner's: the nameless volume of who is gone stays until it is asked for.
    equal(&volumes()?, "3")?;
    equal(&lodge.tell(&["volume", "prune", "--all"])?.stderr.starts_with("WARNING!").to_string(), "true")?;
    equal(&volumes()?, "3")?;
    equal(&lodge.tell(&["system", "prune", "--force", "--volumes"])?.code.to_string(), "0")?;
    equal(&volumes()?, "2")?;
    says(&lodge.tell(&["volume", "ls", "-q", "--filter", &format!("name={named}")])?, &format!("{named}\n"))?;

    // The one that runs has noticed nothing, and its image is there for the next.
    equal(&is_alive(first.0).to_string(), "true")?;
    says(&lodge.tell(&["exec", &runs, "sh", "-c", "echo data > /drive/file && cat /drive/file"])?, "data\n")?;
    says(&lodge.tell(&["run", "--rm", mould::IMAGE, "echo", "here"])?, "here\n")?;
    says(&lodge.tell(&["stop", "-t", "0", &runs])?, &format!("{runs}\n"))
}
