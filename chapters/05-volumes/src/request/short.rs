//! `-v SRC:DST[:OPTIONS]`: short, and the same as Docker's. `-v DST` is a new volume without a name.

use ch00_process::failure::Failure;
use ch00_process::kernel::Result;

use super::{ReadOnly, Request, Source, host_path, name, target};

/// Reads it.
///
/// # Errors
/// In Docker's words: what of it makes no sense, and what would.
pub fn parse(text: &str) -> Result<Request> {
    let within = |failure: Failure| Failure {
        call: format!("invalid volume specification: '{text}': {}", failure.call),
        ..failure
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, place, options) = match parts[..] {
        [place] if !place.is_empty() => (None, place, ""),
        [source, place] if !source.is_empty() && !place.is_empty() => (Some(source), place, ""),
        [source, place, options] if !source.is_empty() && !place.is_empty() && !options.is_empty() => {
            (Some(source), place, options)
        }
        _ => {
            return Err(Failure::said(
                format!("invalid volume specification: '{text}'"),
                "it is SRC:DST or SRC:DST:OPTIONS; a path with a colon in it needs --mount",
                "-v data:/data, -v /srv/data:/data:ro",
            ));
        }
    };
    let source = match source {
        None => Source::Volume(None),
        Some(path) if path.starts_with(['/', '.']) => Source::Bind(host_path(path)?),
        Some(text) => Source::Volume(Some(name(text)?)),
    };
    let mut request = Request::new(source, target(place).map_err(within)?);
    for option in options.split(',').filter(|_| !options.is_empty()) {
        set(&mut request, option).map_err(within)?;
    }
    Ok(request)
}

fn set(request: &mut Request, option: &str) -> Result<()> {
    let is_volume = matches!(request.source, Source::Volume(_));
    let refused =
        |cause: &str, hint: &str| Err(Failure::said(format!("invalid mode: {option}"), cause, hint));
    match option {
        "rw" => request.read_only = ReadOnly::No,
        "ro" => request.read_only = ReadOnly::Tree,
        "nocopy" if is_volume => request.copies = false,
        "nocopy" => return refused("only a volume is ever copied to", "leave it out"),
        // What every mount of ours is.
        "private" | "rprivate" => {}
        "shared" | "rshared" | "slave" | "rslave" | "unbindable" | "runbindable" => {
            return refused(
                "mounts of the container stay in it (private): nothing else is done here",
                "rprivate",
            );
        }
        "z" | "Z" => {
            return refused(
                "it would relabel the host's files for SELinux, which this engine does not do",
                "leave it out; where SELinux refuses, chcon -Rt container_file_t PATH",
            );
        }
        "U" => return refused("it would change the owner of every file of the host", "chown them yourself"),
        "cached" | "delegated" | "consistent" => {
            return refused("it is for machines that share files with a virtual one", "leave it out");
        }
        _ => return refused("there is rw, ro, nocopy (volumes) and rprivate", "leave it out"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch05_the_short_form_is_read() -> Result<()> {
        let volume = parse("data:/var/lib/db")?;
        assert_eq!((&volume.source, volume.read_only), (&Source::Volume(Some("data".into())), ReadOnly::No));
        let bind = parse("/srv:/srv:ro")?;
        assert_eq!((&bind.source, bind.read_only), (&Source::Bind("/srv".into()), ReadOnly::Tree));
        assert_eq!(parse("/data")?.source, Source::Volume(None));
        assert!(!parse("data:/d:ro,nocopy")?.copies);
        let here = std::env::current_dir().unwrap_or_default();
        assert_eq!(parse("./x:/d")?.source, Source::Bind(here.join("x")));
        Ok(())
    }

    #[test]
    fn ch05_what_is_no_volume_is_refused() {
        for wrong in ["", ":", "a:", ":/b", "/a:/b:", "/a:/b:ro:x", "/a:b", "data:/", "/a:/b:nocopy", "x:/d"]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ch05_an_option_is_done_or_refused() {
        for option in ["z", "Z", "U", "shared", "rslave", "cached", "RO", "ro,,rw", "size=1"] {
            let refused = parse(&format!("data:/d:{option}"));
            assert!(refused.is_err_and(|failure| failure.call.contains("invalid mode")), "{option}");
        }
    }
}
