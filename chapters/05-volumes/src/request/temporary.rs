//! `--tmpfs DST[:OPTIONS]`: a file system in memory, gone with the container. tmpfs(5).

use ch00_process::failure::Failure;
use ch00_process::kernel::Result;

use super::{ReadOnly, Request, Source, Tmpfs, target};

/// Reads it.
///
/// # Errors
/// What of it makes no sense.
pub fn parse(text: &str) -> Result<Request> {
    let (place, options) = text.split_once(':').unwrap_or((text, ""));
    let place = target(place).map_err(|failure| Failure {
        call: format!("invalid tmpfs specification: '{text}': {}", failure.call),
        ..failure
    })?;
    let mut tmpfs = Tmpfs::default();
    let mut read_only = ReadOnly::No;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "rw" => read_only = ReadOnly::No,
            "ro" => read_only = ReadOnly::Tree,
            "exec" => tmpfs.exec = true,
            "noexec" => tmpfs.exec = false,
            "suid" => tmpfs.setuid = true,
            "nosuid" => tmpfs.setuid = false,
            "dev" => tmpfs.devices = true,
            "nodev" => tmpfs.devices = false,
            _ => match option.split_once('=') {
                // The kernel reads the values: it knows 64m, 50%, 1777.
                Some((key @ ("size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks"), value)) => {
                    tmpfs.options.retain(|(other, _)| other != key);
                    tmpfs.options.push((key.into(), value.into()));
                }
                _ => {
                    return Err(Failure::said(
                        format!("invalid tmpfs option [\"{option}\"]"),
                        "",
                        "size=64m, mode=1777, uid=, gid=, nr_inodes=, ro, exec, suid, dev",
                    ));
                }
            },
        }
    }
    let mut request = Request::new(Source::Tmpfs(tmpfs), place);
    request.read_only = read_only;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch05_a_tmpfs_holds_data_unless_more_is_asked_for() -> Result<()> {
        assert_eq!(parse("/run")?.source, Source::Tmpfs(Tmpfs::default()));
        let Source::Tmpfs(tmpfs) = parse("/run:size=64k,exec,mode=0755")?.source else { unreachable!() };
        assert!(tmpfs.exec && !tmpfs.setuid && !tmpfs.devices);
        assert_eq!(tmpfs.options[1], ("mode".into(), "0755".into()));
        assert_eq!(parse("/run:ro")?.read_only, ReadOnly::Tree);
        Ok(())
    }

    #[test]
    fn ch05_what_is_no_tmpfs_is_refused() {
        for wrong in ["", "run", "/", "/proc/x", "/run:colour=red", "/run:huge"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
