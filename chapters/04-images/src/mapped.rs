//! The mapped helper: this program again, as root of a user namespace with an ordinary user's ids. What a container's
//! files belong to, only somebody there may make, read and remove.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use anyhow::bail;
use ch00_process::exec::Command;
use ch00_process::explain::Process;
use ch00_process::failure::Failure;
use ch00_process::kernel::{Kernel, Result};
use ch00_process::launch::Launch;
use ch00_process::place;
use ch00_process::wait::Ended;
use ch02_namespaces::mounts::Mounts;
use ch02_namespaces::users::{Map, Users};
use nix::unistd::geteuid;

use crate::import;
use crate::own;
use crate::store::Store;

/// The first word of a program that asks itself.
const WORD: &str = "in-the-map";

/// Whether this process can't do it itself.
#[must_use]
pub fn is_needed() -> bool {
    !geteuid().is_root()
}

/// Runs this program with these words in the map that the user's containers have, and waits for its end.
///
/// # Errors
/// No user namespace for this user, or the program's own path isn't known.
pub fn run(words: Vec<OsString>, k: &Kernel) -> Result<Ended> {
    let said = |error: anyhow::Error| Failure::said(format!("the mapped helper: {error:#}"), "", "");
    let me = env::current_exe().map_err(|error| said(error.into()))?;
    // Inside it is root, and would look in root's places.
    let (data, run) = (place::data_root().map_err(said)?, place::run_root().map_err(said)?);
    let mut variables: Vec<OsString> = Vec::new();
    for (key, value) in env::vars_os().filter(|(key, _)| key != "BOXROOM_ROOT" && key != "BOXROOM_RUN") {
        variables.push([key.as_os_str(), "=".as_ref(), value.as_os_str()].into_iter().collect());
    }
    for (key, value) in [("BOXROOM_ROOT=", data), ("BOXROOM_RUN=", run)] {
        variables.push([key.as_ref(), value.as_os_str()].into_iter().collect());
    }
    let argv = std::iter::once(me.into_os_string()).chain(words).collect();
    Launch::new(Command::with_env(argv, variables)?)
        .with(Users { map: Map::best() })
        .with(Mounts { both_ways: true })
        .run(k)
}

/// Removes what nothing refers to ([`Store::prune`]), in the map.
///
/// # Errors
/// As [`run`]; or that it could not be done, which it has said itself.
pub fn prune(k: &Kernel) -> anyhow::Result<()> {
    must("prune", "", "images and layers could not be pruned", k)
}

/// As [`ask`], where nothing but success will do.
pub(crate) fn must(verb: &str, what: &str, failed: &str, k: &Kernel) -> anyhow::Result<()> {
    match ask(verb, what, k)?.code {
        0 => Ok(()),
        // Ctrl-C was for both of us, and nothing is above.
        code @ 129.. => {
            let hint = "nothing is left of what was begun; run it again";
            Err(Failure::said(failed, "the helper was ended by a signal", hint).code(code).into())
        }
        _ => bail!("{failed}: see above"),
    }
}

/// Asks this program, whichever it is, to do one thing in the map; its `main` begins with [`asked`].
pub(crate) fn ask(verb: &str, what: &str, k: &Kernel) -> Result<Ended> {
    run([WORD, verb, what].map(OsString::from).to_vec(), k)
}

/// What a launch asks of the program that it is in, done. None where nothing was asked: the command line is a person's.
/// Every program that starts containers of images begins with this.
#[must_use]
pub fn asked() -> Option<anyhow::Result<()>> {
    let words: Vec<String> = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [WORD, verb, what] => Some(answer(verb, what)),
        _ => None,
    }
}

fn answer(verb: &str, what: &str) -> anyhow::Result<()> {
    match verb {
        "unpack" => {
            let store = Store::open()?;
            let _lease = store.lease()?;
            store.unpack(&store.image(what)?).map(drop)
        }
        "base" => {
            let name = what.parse().map_err(|why: String| anyhow::anyhow!(why))?;
            import::base(&Store::open()?, &name).map(drop)
        }
        "prune" => Store::open()?.prune().map(drop),
        "remove" => own::remove(Path::new(what), &Kernel::new(Process::Host, None)),
        _ => bail!("{WORD} {verb}: no verb of this program; is it of another version?"),
    }
}
