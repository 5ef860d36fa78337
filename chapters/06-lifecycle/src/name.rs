//! Names for containers that nobody named: a manner, and somebody without whom there would be no containers.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, bail};

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

/// Whether it can be a container's name; Docker's rule.
///
/// # Errors
/// What may be in it.
pub fn check(name: &str) -> Result<()> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !first || name.len() < 2 || name.len() > 200 || !name.bytes().all(good) {
        bail!(
            "invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed, and two of them at least"
        );
    }
    Ok(())
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
            check(&made_up(attempt).unwrap()).unwrap();
        }
        assert_eq!(id().unwrap().len(), 12);
        for wrong in ["", "a", "-a", ".a", "a b", "a/b", "../x", "é1", &"x".repeat(201)] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }
}
