//! Names for containers that nobody named: a manner, and somebody without whom there would be no containers.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail};
use ch04_images::container::parse_name;

const MANNERS: [&str; 32] = [
    "able", "brave", "bright", "calm", "careful", "cheerful", "clever", "curious", "daring", "eager", "fair",
    "frank", "gentle", "glad", "keen", "kind", "lively", "merry", "modest", "neat", "patient", "proud",
    "quick", "quiet", "sharp", "steady", "sunny", "tidy", "warm", "wise", "witty", "zesty",
];

const PEOPLE: [&str; 32] = [
    "bartik",
    "boole",
    "clarke",
    "dijkstra",
    "engelbart",
    "floyd",
    "goldberg",
    "hamilton",
    "hamming",
    "holberton",
    "hopper",
    "johnson",
    "kay",
    "kernighan",
    "knuth",
    "lamport",
    "liskov",
    "lovelace",
    "mcilroy",
    "meitner",
    "noether",
    "perlman",
    "postel",
    "ritchie",
    "shannon",
    "sutherland",
    "tarjan",
    "thompson",
    "turing",
    "wilkes",
    "wirth",
    "zuse",
];

/// One of a thousand names: `brave_hopper`. After the first tries with a number, since a thousand are soon given.
///
/// # Errors
/// `/dev/urandom` can't be read.
pub fn made_up(attempt: u32) -> Result<String> {
    let [manner, person, number, _] = random::<4>()?;
    let manner = MANNERS[usize::from(manner) % MANNERS.len()];
    let person = PEOPLE[usize::from(person) % PEOPLE.len()];
    Ok(if attempt < 3 { format!("{manner}_{person}") } else { format!("{manner}_{person}{number}{attempt}") })
}

/// Twelve random hexadecimal digits.
///
/// # Errors
/// `/dev/urandom` can't be read.
pub fn id() -> Result<String> {
    Ok(random::<6>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A container's name as it is written down. Docker's rule: chapter 04's, and two letters at least.
///
/// # Errors
/// What may be in it.
pub fn checked(text: &str) -> Result<String> {
    let name = parse_name(text).map_err(anyhow::Error::msg)?;
    if name.len() < 2 {
        bail!("{text:?} is no name for a container: two letters at least");
    }
    Ok(name)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_names_that_are_made_up_may_be_given() {
        for attempt in [0, 3, 100] {
            checked(&made_up(attempt).unwrap()).unwrap();
        }
        assert_eq!(id().unwrap().len(), 12);
        assert_eq!(checked("/web").unwrap(), "web");
        for wrong in ["", "a", "/a", "-a", ".a", "a b", "a/b", "../x", "é1", &"x".repeat(256)] {
            assert!(checked(wrong).is_err(), "{wrong:?}");
        }
    }
}
