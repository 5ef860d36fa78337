//! The kernel's own files, in /proc and among the cgroups: their size is told as 0, so a reader that trusts it asks again
//! and again for a little. They are small, and one read has it all.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// More than such a file usually has, bytes; a longer one is read on.
const USUAL: usize = 4096;

/// The text of a file.
///
/// # Errors
/// As open(2) and read(2) say; what is in it is no text.
pub fn text(path: &Path) -> io::Result<String> {
    let mut text = String::with_capacity(USUAL);
    // `take` hides the file: asked directly, it is asked for its size first.
    File::open(path)?.take(u64::MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_a_file_of_the_kernels_is_read_whole() {
        let known = std::fs::read_to_string("/proc/filesystems").unwrap();
        assert_eq!(text(Path::new("/proc/filesystems")).unwrap(), known);
        // Longer than what is read at once.
        let long = "0123456789".repeat(1000);
        let file = std::env::temp_dir().join(format!("boxroom-long-{}", std::process::id()));
        std::fs::write(&file, &long).unwrap();
        let read = text(&file);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read.unwrap(), long);
        assert!(text(Path::new("/proc/nothing")).is_err());
    }
}
