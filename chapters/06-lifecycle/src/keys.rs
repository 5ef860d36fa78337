//! The keys that end an attachment and not the command: `ctrl-p,ctrl-q`, as Docker's.

use std::str::FromStr;

/// A sequence of keys. Empty: there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(Vec<u8>);

impl Default for Keys {
    fn default() -> Self {
        Self(vec![0x10, 0x11])
    }
}

impl FromStr for Keys {
    type Err = String;

    /// `a`, `ctrl-a` to `ctrl-z`, `ctrl-@`, `ctrl-[`, `ctrl-\`, `ctrl-]`, `ctrl-^`, `ctrl-_`, separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let key = |word: &str| match word.as_bytes() {
            [one] => Some(*one),
            [b'c', b't', b'r', b'l', b'-', one @ (b'a'..=b'z' | b'@' | b'['..=b'_')] => Some(one & 0x1f),
            _ => None,
        };
        text.split(',').map(key).collect::<Option<_>>().map(Self).ok_or_else(|| {
            format!("invalid detach keys ({text}): a letter, or ctrl- and one of a-z @ [ \\ ] ^ _, separated by commas")
        })
    }
}

/// Looks for the keys in what is typed. What could be their beginning is held back until that is settled.
#[derive(Debug)]
pub struct Lookout {
    keys: Keys,
    seen: usize,
}

impl Lookout {
    /// For these keys.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self { keys, seen: 0 }
    }

    /// Appends to `out` what is meant for the command. True when the keys are complete; what follows them is dropped.
    pub fn typed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        let keys = &self.keys.0;
        if keys.is_empty() {
            out.extend(bytes);
            return false;
        }
        for &byte in bytes {
            if byte == keys[self.seen] {
                self.seen += 1;
                if self.seen == keys.len() {
                    return true;
                }
                continue;
            }
            // Not they after all: what was held back goes, but for what may be another beginning of them.
            let held: Vec<u8> = keys[..self.seen].iter().copied().chain([byte]).collect();
            let stays =
                (0..keys.len()).rev().find(|&n| n <= held.len() && held.ends_with(&keys[..n])).unwrap_or(0);
            out.extend(&held[..held.len() - stays]);
            self.seen = stays;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(keys: &str, typed: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut lookout, mut out) = (Lookout::new(keys.parse().unwrap()), Vec::new());
        let left = typed.iter().any(|bytes| lookout.typed(bytes, &mut out));
        (out, left)
    }

    #[test]
    fn ch06_detach_keys_are_found_wherever_a_read_ends() {
        assert_eq!(all("ctrl-p,ctrl-q", &[b"ls\n\x10\x11rest"]), (b"ls\n".to_vec(), true));
        assert_eq!(all("ctrl-p,ctrl-q", &[b"a\x10", b"\x11"]), (b"a".to_vec(), true));
        assert_eq!(all("ctrl-p,ctrl-q", &[b"\x10", b"x\x11"]), (b"\x10x\x11".to_vec(), false));
        assert_eq!(all("ctrl-p,ctrl-q", &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(all("a,a,b", &[b"aaab!"]), (b"a".to_vec(), true));
        assert_eq!(all("", &[b"\x10\x11"]), (b"\x10\x11".to_vec(), false));
    }

    #[test]
    fn ch06_detach_keys_are_dockers() {
        assert_eq!("ctrl-p,ctrl-q".parse(), Ok(Keys::default()));
        assert_eq!("ctrl-@,ctrl-\\,x".parse(), Ok(Keys(vec![0, 28, b'x'])));
        for wrong in ["ctrl-", "ctrl-A", "ctrl-p,", "alt-x", ","] {
            assert!(wrong.parse::<Keys>().is_err(), "{wrong}");
        }
    }
}
