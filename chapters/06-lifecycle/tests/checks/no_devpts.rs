//! A container without terminals, or with something in their place: a terminal is refused in words that lead on, and all
//! else works.

use checks::finding::Finding;
use checks::stage::Stage;

use crate::lodge::{Lodge, equal, says};

/// What root inside does to its own `/dev`, one after the other.
const DEEDS: &[(&str, &str)] = &[
    ("umount -l /dev/pts", "the container has no devpts at /dev/pts"),
    ("mount -t tmpfs none /dev && mkdir /dev/pts", "the container has no devpts at /dev/pts"),
    ("mkfifo /dev/pts/ptmx", "something was put in its place"),
    ("rm /dev/pts/ptmx && echo > /dev/pts/ptmx", "something was put in its place"),
    ("rm /dev/pts/ptmx && ln -s /proc/1/root/etc/hostname /dev/pts/ptmx", "no devpts at /dev/pts"),
];

pub(crate) fn replaced(stage: &Stage) -> Result<(), Finding> {
    let lodge = Lodge::new(stage)?;
    let (name, _) = lodge.guest("bare", &[])?;
    says(&lodge.tell(&["exec", "-t", &name, "tty"])?, "/dev/pts/0\r\n")?;
    for (deed, cause) in DEEDS {
        says(&lodge.tell(&["exec", &name, "sh", "-c", deed])?, "")?;
        let refused = lodge.tell(&["exec", "-t", &name, "tty"])?;
        let (told, way_out) = (refused.stderr.contains(cause), refused.stderr.contains("without -t"));
        if refused.code != 125 || !refused.stdout.is_empty() || !told || !way_out {
            return Err(Finding::seen("unclear")
                .with("deed", deed)
                .with("code", refused.code)
                .with("said", refused.stderr.trim()));
        }
        says(&lodge.tell(&["exec", &name, "echo", "here"])?, "here\n")?;
    }
    // From the start: somebody's folder stands there.
    let name = lodge.expects("covered");
    let words = ["run", "-t", "--name", &name, "--tmpfs", "/dev/pts", checks::mould::IMAGE, "tty"];
    let refused = lodge.tell(&words)?;
    equal(&format!("{} {}", refused.code, refused.stderr.contains("without -t")), "125 true")
}
