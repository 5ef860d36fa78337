//! The roll call: the probe says that it is there, the outside looks at it and says go.
//!
//! Both sides speak in lines: `here NONCE`, `go`, the evidence as one line of JSON, `bye`.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::catalogue::Probe;
use crate::facts::{Evidence, Facts};

/// Makes the attempt: at once where nobody asks, else between `go` and `bye`.
///
/// # Errors
/// The socket isn't there, or whoever listens says something else.
pub fn attempt(probe: &Probe, facts: &Facts) -> Result<Evidence> {
    let Some(path) = &facts.socket else {
        return Ok((probe.attempt)(facts));
    };
    let mut out = reach(path)?;
    let mut lines = BufReader::new(out.try_clone()?);
    writeln!(out, "here {}", facts.nonce)?;
    expect(&mut lines, "go")?;
    let evidence = (probe.attempt)(facts);
    writeln!(out, "{}", serde_json::to_string(&evidence)?)?;
    // What was done stays visible (this process, its mounts, its descriptors) until the outside has looked.
    expect(&mut lines, "bye")?;
    Ok(evidence)
}

fn reach(path: &Path) -> Result<UnixStream> {
    if path == Path::new("-") {
        return Ok(std::io::stdin().as_fd().try_clone_to_owned()?.into());
    }
    UnixStream::connect(path)
        .with_context(|| format!("could not reach {}, where the roll is called", path.display()))
}

fn expect(lines: &mut impl BufRead, word: &str) -> Result<()> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    if line.trim_end() != word {
        bail!("waited for {word:?} and got {:?}", line.trim_end());
    }
    Ok(())
}
