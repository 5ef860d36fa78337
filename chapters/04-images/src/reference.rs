//! What an image is called: `debian`, `debian:12`, `host:5000/team/app@sha256:...`. The grammar is that of Docker's
//! `distribution/reference`, with its rules for what may be left out.

use std::fmt;
use std::str::FromStr;

use crate::digest::Digest;

/// A name, its tag, its digest. What was left out is `None`; [`Reference::full`] fills it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry, `host[:port]`, where one was named.
    pub domain: Option<String>,
    /// The repository's path: `library/debian`, `team/app`.
    pub path: String,
    /// The tag.
    pub tag: Option<String>,
    /// The manifest's digest.
    pub digest: Option<Digest>,
}

/// What Docker means by a name without a registry.
const DOMAIN: &str = "docker.io";
/// Docker's limit for domain and path together, bytes.
const LONGEST_NAME: usize = 255;

impl Reference {
    /// The name under which it is stored: domain and tag filled in (`docker.io/library/debian:latest`), the digest
    /// left out. Two spellings of one image have one name.
    #[must_use]
    pub fn full(&self) -> String {
        let tag = self.tag.as_deref().unwrap_or("latest");
        format!("{}:{tag}", self.repository())
    }

    /// Domain and path, both written out.
    #[must_use]
    pub fn repository(&self) -> String {
        match &self.domain {
            Some(domain) if domain != DOMAIN && domain != "index.docker.io" => {
                format!("{domain}/{}", self.path)
            }
            _ if self.path.contains('/') => format!("{DOMAIN}/{}", self.path),
            _ => format!("{DOMAIN}/library/{}", self.path),
        }
    }

    /// As people write it: without what Docker fills in.
    #[must_use]
    pub fn familiar(full: &str) -> String {
        let short = full.strip_prefix("docker.io/").unwrap_or(full);
        short.strip_prefix("library/").unwrap_or(short).into()
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(domain) = &self.domain {
            write!(out, "{domain}/")?;
        }
        out.write_str(&self.path)?;
        if let Some(tag) = &self.tag {
            write!(out, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(out, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = String;

    /// `[domain/]path[:tag][@digest]`
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("{text:?} names no image: {why} (the form is [HOST[:PORT]/]NAME[:TAG][@sha256:...])")
        };
        if text.parse::<Digest>().is_ok() || text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong("a digest alone has no name; write NAME@sha256:..."));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>().map_err(|why| wrong(&why))?)),
            None => (text, None),
        };
        // A colon after the last slash begins a tag; before it, a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(wrong("a tag has 1 to 128 letters, digits, _ . - and doesn't begin with . or -"));
        }
        // The first part is a domain where nothing else could look like it: a dot, a port, an upper case letter.
        let (domain, path) = match name.split_once('/') {
            Some((first, path)) if first == "localhost" || first.contains(['.', ':']) || has_upper(first) => {
                (Some(first), path)
            }
            _ => (None, name),
        };
        if let Some(domain) = domain
            && !is_domain(domain)
        {
            return Err(wrong("the registry is no host[:port]"));
        }
        if has_upper(path) {
            return Err(wrong("a name has no upper case letters"));
        }
        if path.is_empty() || !path.split('/').all(is_component) {
            return Err(wrong(
                "the parts of a name are letters and digits, with single . _ - (or __) between",
            ));
        }
        if name.len() > LONGEST_NAME {
            return Err(wrong("a name has at most 255 bytes"));
        }
        Ok(Self { domain: domain.map(Into::into), path: path.into(), tag: tag.map(Into::into), digest })
    }
}

fn has_upper(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// `[\w][\w.-]{0,127}`
fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

/// `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<u8>| byte.is_some_and(plain);
    let separators = text.split(|c: char| c.is_ascii() && plain(c as u8)).filter(|part| !part.is_empty());
    ends(text.bytes().next()) && ends(text.bytes().last()) && { separators }
        .all(|part| matches!(part, "." | "_" | "__") || part.bytes().all(|byte| byte == b'-'))
}

/// A host name, an address in brackets, and a port.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':');
    }
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    host.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(word) && !label.starts_with('-') && !label.ends_with('-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn ch04_reference_fills_in_what_docker_fills_in() {
        for (text, full) in [
            ("debian", "docker.io/library/debian:latest"),
            ("debian:12", "docker.io/library/debian:12"),
            ("team/app", "docker.io/team/app:latest"),
            ("docker.io/debian", "docker.io/library/debian:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("host:5000/x/y:1.0", "host:5000/x/y:1.0"),
            ("ghcr.io/a/b-c__d.e", "ghcr.io/a/b-c__d.e:latest"),
            ("[2001:db8::1]:5000/x", "[2001:db8::1]:5000/x:latest"),
            ("Host/x", "Host/x:latest"),
        ] {
            let parsed = text.parse::<Reference>().unwrap();
            assert_eq!(parsed.full(), full);
            assert_eq!(parsed.to_string(), text);
        }
        let both = format!("host:5000/x/y:z@{DIGEST}").parse::<Reference>().unwrap();
        assert_eq!((both.tag.as_deref(), both.digest), (Some("z"), DIGEST.parse().ok()));
    }

    #[test]
    fn ch04_reference_refuses_what_docker_refuses() {
        let long = "a".repeat(256);
        for wrong in [
            "",
            ":tag",
            "Debian",
            "a//b",
            "a/",
            "/a",
            "a..b",
            "a-",
            "-a",
            "a___b",
            "a:",
            "a:-b",
            "a@sha256:00",
            "a b",
            "../etc",
            "host:port/x",
            "-h.io/x",
            "a:b:c",
            DIGEST,
            &DIGEST[7..],
            &long,
            "a\n",
            "é",
        ] {
            assert!(wrong.parse::<Reference>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn ch04_reference_is_shown_as_people_write_it() {
        assert_eq!(Reference::familiar("docker.io/library/debian:12"), "debian:12");
        assert_eq!(Reference::familiar("ghcr.io/a/b:1"), "ghcr.io/a/b:1");
    }
}
