//! What the kernel starts in a file's place: the interpreter that a script or a dynamic program names. execve(2),
//! "Interpreter scripts"; elf(5), PT_INTERP.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// So much of a file the kernel looks at for a first line (BINPRM_BUF_SIZE), and the header of a program is in it.
const FIRST: usize = 256;
/// A program header of this type names the loader.
const PT_INTERP: u32 = 3;
/// The kernel takes no longer path.
const LONGEST: u64 = 4096;

/// What the file names, what that names if it is a script as well, and so on as far as the kernel follows: of more than five
/// it says ELOOP.
#[must_use]
pub fn interpreters(path: &Path) -> Vec<PathBuf> {
    std::iter::successors(interpreter(path), |path| interpreter(path)).take(6).collect()
}

/// What one file names.
fn interpreter(path: &Path) -> Option<PathBuf> {
    // A pipe that is called like the command would never be read to its end.
    if !std::fs::metadata(path).is_ok_and(|seen| seen.is_file()) {
        return None;
    }
    let file = File::open(path).ok()?;
    let mut first = [0; FIRST];
    let length = file.read_at(&mut first, 0).ok()?;
    let name = match first[..length].strip_prefix(b"#!") {
        Some(line) => of_script(line)?.to_vec(),
        None if first.starts_with(b"\x7fELF") => of_program(&file, &first)?,
        None => return None,
    };
    Some(OsStr::from_bytes(&name).into())
}

/// The first word behind `#!`. For the kernel a NUL byte ends it, too.
fn of_script(line: &[u8]) -> Option<&[u8]> {
    let line = line.split(|&byte| byte == b'\n').next()?;
    let word = line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty())?;
    word.split(|&byte| byte == 0).next()
}

/// The loader of a dynamic program, of 64 or 32 bits.
fn of_program(file: &File, header: &[u8; FIRST]) -> Option<Vec<u8>> {
    let wide = header[4] == 2;
    let (table, size, count) = if wide { (32, 54, 56) } else { (28, 42, 44) };
    let table = if wide { long(header, table) } else { word(header, table).into() };
    let (size, count) = (u64::from(half(header, size)), half(header, count));
    for n in 0..u64::from(count) {
        let mut entry = [0; 56];
        file.read_at(&mut entry, table.checked_add(n.checked_mul(size)?)?).ok()?;
        if word(&entry, 0) != PT_INTERP {
            continue;
        }
        let (at, length) = if wide {
            (long(&entry, 8), long(&entry, 32))
        } else {
            (word(&entry, 4).into(), word(&entry, 16).into())
        };
        let mut name = vec![0; usize::try_from(length.min(LONGEST)).ok()?];
        file.read_at(&mut name, at).ok()?;
        name.truncate(name.iter().position(|&byte| byte == 0).unwrap_or(name.len()));
        return Some(name);
    }
    None
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let low_first = cfg!(target_endian = "little");
    let (one, other) = (u64::from(word(bytes, at)), u64::from(word(bytes, at + 4)));
    if low_first { other << 32 | one } else { one << 32 | other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("boxroom-ch00-{name}-{}", std::process::id()))
    }

    #[test]
    fn ch00_the_first_line_of_a_script_is_read() {
        let file = file("script");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            interpreter(&file)
        };
        assert_eq!(read("#! /bin/sh -e\necho\n"), Some("/bin/sh".into()));
        assert_eq!(read("#!/proc/self/exe"), Some("/proc/self/exe".into()));
        assert_eq!(read("#!/proc/self/exe\0junk\n"), Some("/proc/self/exe".into()));
        assert_eq!(read("\x7fELF"), None);
        assert_eq!(read("#!\n"), None);
        let itself = format!("#!{}", file.display());
        assert_eq!(read(&itself), Some(file.clone()));
        assert_eq!(interpreters(&file).len(), 6, "a circle has an end");
        std::fs::remove_file(&file).unwrap();
    }

    /// With the table of its headers far behind the beginning, as no linker would have it.
    #[test]
    fn ch00_the_loader_of_a_program_is_read() {
        let file = file("program");
        for (wide, table, size) in [(true, 32, 56_u16), (false, 28, 32)] {
            let mut bytes = vec![0_u8; 20_000];
            bytes[..5].copy_from_slice(if wide { b"\x7fELF\x02" } else { b"\x7fELF\x01" });
            let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
            put(table, &10_000_u32.to_ne_bytes());
            put(table + if wide { 22 } else { 14 }, &size.to_ne_bytes());
            put(table + if wide { 24 } else { 16 }, &2_u16.to_ne_bytes());
            let second = 10_000 + usize::from(size);
            put(second, &PT_INTERP.to_ne_bytes());
            put(second + if wide { 8 } else { 4 }, &15_000_u32.to_ne_bytes());
            put(second + if wide { 32 } else { 16 }, &15_u32.to_ne_bytes());
            put(15_000, b"/proc/self/exe\0junk");
            std::fs::write(&file, &bytes).unwrap();
            assert_eq!(interpreter(&file), Some("/proc/self/exe".into()), "{wide}");
        }
        std::fs::remove_file(&file).unwrap();
        let loader = interpreter(&std::env::current_exe().unwrap());
        assert!(loader.is_none_or(|path| path.is_file()), "a static program has none");
    }
}
