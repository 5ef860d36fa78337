//! `--mount type=bind|volume|tmpfs,source=...,target=...`: long, and every part has its name.

use ch00_process::failure::Failure;
use ch00_process::kernel::Result;
use ch03_cgroups::size::parse_size;

use super::{ReadOnly, Request, Source, Tmpfs, host_path, name, target};

/// Reads it. The fields are those of a line of CSV, as Docker has them: `"a,b"` is one.
///
/// # Errors
/// In Docker's words: what of it makes no sense, and what would.
pub fn parse(text: &str) -> Result<Request> {
    let mut asked = Asked::default();
    for field in fields(text) {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (field.as_str(), None),
        };
        asked.set(key.to_ascii_lowercase().as_str(), value)?;
    }
    asked.finished(text)
}

#[derive(Default)]
struct Asked {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    recursion: Option<String>,
    nocopy: bool,
    /// The options of a tmpfs alone, in the kernel's words.
    tmpfs: Vec<(String, String)>,
}

impl Asked {
    fn set(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        let needs = || {
            let value = value.filter(|value| !value.is_empty()).map(String::from);
            value.ok_or_else(|| said(format!("invalid field '{key}' must be a key=value pair"), ""))
        };
        match key {
            "type" => self.kind = Some(needs()?.to_ascii_lowercase()),
            "source" | "src" => self.source = Some(needs()?),
            "target" | "dst" | "destination" => self.target = Some(needs()?),
            "readonly" | "ro" => self.read_only = switch(key, value)?,
            "volume-nocopy" => self.nocopy = switch(key, value)?,
            "bind-recursive" => self.recursion = Some(needs()?),
            "bind-nonrecursive" => {
                if switch(key, value)? {
                    self.recursion = Some("disabled".into());
                }
            }
            "bind-propagation" => match needs()?.as_str() {
                "private" | "rprivate" => {}
                other => {
                    let what = format!("bind-propagation={other}");
                    return Err(Failure::said(
                        what,
                        "mounts of the container stay in it (private): nothing else is done here",
                        "leave it out",
                    ));
                }
            },
            "tmpfs-size" => {
                let bytes = parse_size(&needs()?)
                    .map_err(|why| said(format!("invalid value for {key}: {why}"), ""))?;
                self.tmpfs.push(("size".into(), bytes.to_string()));
            }
            "tmpfs-mode" => {
                let mode = needs()?;
                if u32::from_str_radix(&mode, 8).is_ok_and(|mode| mode <= 0o7777) {
                    self.tmpfs.push(("mode".into(), mode));
                } else {
                    return Err(said(
                        format!("invalid value for {key}: {mode}"),
                        "an octal number, such as 1777",
                    ));
                }
            }
            "volume-subpath" | "volume-driver" | "volume-opt" | "volume-label" | "consistency" => {
                return Err(said(format!("{key}: this engine has no such thing"), "leave it out"));
            }
            _ => return Err(said(format!("unexpected key '{key}'"), "type, source, target, readonly, ...")),
        }
        Ok(())
    }

    fn finished(self, text: &str) -> Result<Request> {
        let kind = self.kind.as_deref().unwrap_or("volume");
        let place = self.target.as_deref().ok_or_else(|| {
            let what = format!("invalid mount config for type \"{kind}\": field Target must not be empty");
            said(what, "target=/place/inside")
        })?;
        let place = target(place).map_err(|failure| Failure {
            call: format!("invalid mount config for type \"{kind}\": {}", failure.call),
            ..failure
        })?;
        let foreign = [
            ("bind", "bind-recursive", self.recursion.is_some()),
            ("volume", "volume-nocopy", self.nocopy),
            ("tmpfs", "tmpfs-size and tmpfs-mode", !self.tmpfs.is_empty()),
        ];
        if let Some((_, key, _)) = foreign.iter().find(|(of, _, asked)| *asked && *of != kind) {
            return Err(said(format!("cannot mix '{key}' with mount type '{kind}'"), "leave it out"));
        }
        let source = match (kind, self.source) {
            ("bind", Some(path)) if path.starts_with(['/', '.']) => Source::Bind(host_path(&path)?),
            ("bind", Some(path)) => {
                let what = format!(
                    "invalid mount config for type \"bind\": invalid mount path: '{path}' mount path must be absolute"
                );
                return Err(said(what, "an absolute path; or type=volume"));
            }
            ("bind", None) => {
                let what = "invalid mount config for type \"bind\": field Source must not be empty";
                return Err(said(what.into(), "source=/path/on/the/host"));
            }
            ("volume", source) => Source::Volume(source.map(|text| name(&text)).transpose()?),
            ("tmpfs", None) => Source::Tmpfs(tmpfs(self.tmpfs)),
            ("tmpfs", Some(_)) => {
                let what = "invalid mount config for type \"tmpfs\": source must not be specified";
                return Err(said(what.into(), "it is new and empty"));
            }
            (other, _) => {
                let what = format!("invalid mount type {other:?} in --mount {text:?}");
                return Err(said(what, "type=bind, type=volume or type=tmpfs"));
            }
        };
        let mut request = Request::new(source, place);
        request.copies = !self.nocopy;
        request.read_only = if self.read_only { ReadOnly::Tree } else { ReadOnly::No };
        match (self.recursion.as_deref(), self.read_only) {
            (None | Some("enabled"), _) | (Some("readonly"), true) => {}
            (Some("disabled"), true) => (request.recursive, request.read_only) = (false, ReadOnly::Top),
            (Some("disabled"), false) => request.recursive = false,
            (Some("writable"), true) => request.read_only = ReadOnly::Top,
            (Some(one @ ("readonly" | "writable")), false) => {
                return Err(said(
                    format!("mount option 'bind-recursive={one}' requires 'readonly'"),
                    "readonly",
                ));
            }
            (Some(other), _) => {
                let what = format!("invalid value for bind-recursive: {other}");
                return Err(said(what, "enabled, disabled, writable or readonly"));
            }
        }
        Ok(request)
    }
}

fn tmpfs(asked: Vec<(String, String)>) -> Tmpfs {
    let mut tmpfs = Tmpfs::default();
    for (key, value) in asked {
        tmpfs.options.retain(|(other, _)| *other != key);
        tmpfs.options.push((key, value));
    }
    tmpfs
}

fn switch(key: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => Err(said(format!("invalid value for {key}: {other}"), "true or false")),
    }
}

fn said(what: String, hint: &str) -> Failure {
    Failure::said(what, "", hint)
}

/// The fields of a line of CSV. A quote that isn't closed goes to the end.
fn fields(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                fields.last_mut().into_iter().for_each(|field| field.push('"'));
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields.last_mut().into_iter().for_each(|field| field.push(letter)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch05_the_long_form_is_read() -> Result<()> {
        let bind = parse("type=bind,source=/srv,target=/srv,readonly")?;
        assert_eq!((&bind.source, bind.read_only), (&Source::Bind("/srv".into()), ReadOnly::Tree));
        let volume = parse("src=data,dst=/data,ro=false")?;
        assert_eq!((&volume.source, volume.read_only), (&Source::Volume(Some("data".into())), ReadOnly::No));
        assert_eq!(parse("type=volume,dst=/data")?.source, Source::Volume(None));
        let quoted = parse("type=bind,\"source=/a,b\",target=/c")?;
        assert_eq!(quoted.source, Source::Bind("/a,b".into()));
        let top = parse("type=bind,source=/a,target=/c,ro,bind-recursive=writable")?;
        assert_eq!(top.read_only, ReadOnly::Top);
        assert!(!parse("type=bind,source=/a,target=/c,bind-recursive=disabled")?.recursive);
        Ok(())
    }

    #[test]
    fn ch05_a_tmpfs_has_its_own_keys() -> Result<()> {
        let Source::Tmpfs(tmpfs) = parse("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700")?.source else {
            return Err(said("no tmpfs".into(), ""));
        };
        let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
        assert_eq!(tmpfs.options, [pair("size", "1048576"), pair("mode", "0700")]);
        Ok(())
    }

    #[test]
    fn ch05_what_is_no_mount_is_refused() {
        for wrong in [
            "",
            "type=bind",
            "type=bind,target=/a",
            "type=bind,source=a,target=/a",
            "type=volume,source=data",
            "type=npipe,target=/a",
            "type=tmpfs,source=x,target=/a",
            "type=tmpfs,target=/a,tmpfs-mode=9",
            "type=volume,target=/a,tmpfs-size=1m",
            "type=bind,source=/a,target=/b,volume-nocopy",
            "type=bind,source=/a,target=/b,bind-propagation=rshared",
            "type=bind,source=/a,target=/b,bind-recursive=readonly",
            "target=/a,readonly=maybe",
            "target=/a,colour=red",
            "target=a",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
