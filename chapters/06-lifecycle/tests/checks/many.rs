//! Many at once: many shells on one container, many containers of one image, one laptop after the other.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use checks::drive::{is_alive, within};
use checks::finding::Finding;
use checks::mould;
use checks::stage::Stage;

use crate::crash::nothing_of;
use crate::life::first_of;
use crate::lodge::{Lodge, equal, says, seen};

/// Sixteen processes do what comes to their mind with one container. What each is told may be a refusal, never a lie;
/// when all have ended the container is in a state that is true, and goes without a trace.
pub(crate) fn race(stage: &Stage) -> Result<(), Finding> {
    const SHELLS: usize = 16;
    const ROUNDS: usize = 6;
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("race", &[])?;
    let id = || lodge.tell(&["inspect", "-f", "{{.Id}}", &name]);
    let run = ["run", "-d", "--name", &name, mould::IMAGE, "sh", "-c", "sleep 5000; exit", &name];
    let verbs: [&[&str]; 8] = [
        &["start", &name],
        &["stop", "-t", "0", &name],
        &["kill", &name],
        &["restart", "-t", "0", &name],
        &["exec", &name, "true"],
        &["rm", &name],
        &["rm", "-f", &name],
        &run,
    ];
    let mut seed = 42_usize;
    let mut ids = vec![id()?.stdout.trim().to_string()];
    for _ in 0..ROUNDS {
        let mut shells = Vec::new();
        for _ in 0..SHELLS {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let words = verbs[(seed >> 33) % verbs.len()];
            let shell = lodge.command(words)?.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
            shells.push((words[0], shell));
        }
        for (verb, shell) in shells {
            let output = shell.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // 137: an exec whose container was killed. 125, 1: refused, with a reason.
            let known = [0, 1, 125, 137];
            let code = output.status.code().unwrap_or(-1);
            if !known.contains(&code) || (code != 0 && code != 137 && said.trim().is_empty()) {
                return Err(Finding::seen("strange")
                    .with("verb", verb)
                    .with("code", code)
                    .with("said", said.trim()));
            }
        }
        ids.extend(Some(id()?.stdout.trim().to_string()).filter(|id| !id.is_empty()));
        // The truth: what is told and what the host sees are one.
        let told = lodge.tell(&["ps", "-q", "--filter", &format!("name={name}")])?.stdout.lines().count();
        if !within(Duration::from_secs(5), || seen(&name).len() == told) {
            let there = seen(&name).len();
            return Err(Finding::seen("lie").with("told", told).with("there", there));
        }
    }
    lodge.tell(&["rm", "-f", &name])?;
    ids.iter().try_for_each(|id| nothing_of(id, &name))
}

/// 'Many equal servers on one machine'.
pub(crate) fn equal_servers(stage: &Stage) -> Result<(), Finding> {
    const SERVERS: usize = 20;
    let lodge = Lodge::new(stage)?;
    // What the kernel has stacked for each: the lower directories are the same folders.
    let lowers = |pid: i32| -> Result<String, Finding> {
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
        let root = mounts.lines().find(|line| line.contains(" / / ")).unwrap_or_default().to_string();
        let options = root.rsplit(' ').next().unwrap_or_default();
        let lower = options.split(',').filter(|option| option.starts_with("lowerdir"));
        Ok(lower.collect::<Vec<_>>().join(","))
    };
    let label = format!("app={}", lodge.name("web"));
    let mut servers = Vec::new();
    for n in 0..SERVERS {
        servers.push(lodge.guest(&format!("server-{n}"), &["--label", &label])?);
    }
    let shared = lowers(servers[0].1.0)?;
    equal(&shared.contains("lowerdir").to_string(), "true")?;
    for (_, first) in &servers {
        equal(&lowers(first.0)?, &shared)?;
    }
    let filter = format!("label={label}");
    let listed = lodge.tell(&["ps", "-q", "--filter", &filter])?.stdout.lines().count();
    equal(&listed.to_string(), &SERVERS.to_string())?;
    let names: Vec<&str> = servers.iter().map(|(name, _)| name.as_str()).collect();
    let told = lodge.tell(&[&["stop", "-t", "0"], &names[..]].concat())?;
    says(&told, &names.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    if let Some((name, _)) = servers.iter().find(|(_, first)| is_alive(first.0)) {
        return Err(Finding::seen("outlived").with("name", name));
    }
    let ids = lodge.tell(&["ps", "-aq", "--filter", &filter])?.stdout;
    lodge.tell(&[&["rm"], &names[..]].concat())?;
    ids.lines().zip(names.iter().rev()).try_for_each(|(id, name)| nothing_of(id, name))
}

/// 'A new version is a new container': v1 is replaced by v2, and the data stay.
pub(crate) fn new_laptop(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let drive = lodge.volume("drive");
    let mount = format!("{drive}:/srv");
    let image = |version: &str| -> Result<String, Finding> {
        let name = format!("checks/{}:{version}", lodge.name("app"));
        let maker = lodge.expects(&format!("maker-{version}"));
        let script = format!("echo {version} > /version");
        lodge.tell(&["run", "--name", &maker, mould::IMAGE, "sh", "-c", &script])?;
        crate::life::moulder(&["commit", &maker, &name])?;
        Ok(name)
    };
    let (one, two) = (image("v1")?, image("v2")?);
    let name = lodge.expects("laptop");
    let begin = |image: &str| -> Result<(), Finding> {
        let words =
            ["run", "-d", "--name", &name, "-v", &mount, image, "sh", "-c", "sleep 5000; exit", &name];
        let began = lodge.tell(&words)?;
        equal(&began.code.to_string(), "0")?;
        first_of(&name).map(drop)
    };
    let work = "cat /version; cat /srv/thesis 2>/dev/null; echo page $(cat /version) >> /srv/thesis; echo x > /scratch";
    let done = (|| {
        begin(&one)?;
        says(&lodge.tell(&["exec", &name, "sh", "-c", work])?, "v1\n")?;
        // The name is taken until the old one is thrown away.
        equal(&lodge.tell(&["run", "-d", "--name", &name, &two])?.code.to_string(), "125")?;
        lodge.tell(&["rm", "-f", &name])?;
        begin(&two)?;
        says(&lodge.tell(&["exec", &name, "sh", "-c", work])?, "v2\npage v1\n")?;
        // What wasn't on the drive is gone with the old laptop; the image is as it was made.
        lodge.tell(&["rm", "-f", &name])?;
        begin(&two)?;
        let look = "ls /scratch 2>/dev/null; cat /srv/thesis";
        says(&lodge.tell(&["exec", &name, "sh", "-c", look])?, "page v1\npage v2\n")
    })();
    lodge.tell(&["rm", "-f", &name, &lodge.name("maker-v1"), &lodge.name("maker-v2")])?;
    for image in [one, two] {
        crate::life::moulder(&["rm", &image])?;
    }
    crate::life::moulder(&["prune"])?;
    done
}
