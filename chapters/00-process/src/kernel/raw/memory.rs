//! Memory that a process has used and needs no more: given back to the kernel.

use std::ffi::c_void;
use std::fs;

use rustix::mm::{Advice, madvise};

/// What a process can do without for a while: the pages of its program, which are read again from the file where they are
/// needed, and the stack below whoever asks. Looked up once, since the look needs more code than it gives back.
///
/// Only for a process with one thread. madvise(2).
#[derive(Debug)]
pub struct Spare {
    programs: Vec<(usize, usize)>,
    stack: Option<usize>,
}

impl Spare {
    /// What there is; and freed heap is given back at once. proc_pid_smaps(5), malloc_trim(3).
    #[must_use]
    pub fn find() -> Self {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        let found =
            Self { programs: clean_pages_of_files(&smaps), stack: stack(&smaps).map(|(begin, _)| begin) };
        drop(smaps);
        // SAFETY: malloc_trim has no preconditions; it gives back pages of the heap that hold nothing allocated.
        #[cfg(target_env = "gnu")]
        unsafe {
            libc::malloc_trim(0)
        };
        found
    }

    /// Gives it back; what is needed of it comes again by itself.
    #[inline(always)] // a function elsewhere would be a page that stays
    pub fn give_back(&self) {
        const PAGE: usize = 4096; // the smallest that there is: a range of larger pages begins and ends at these as well
        // One page more stays: the red zone may reach into it. The calls that follow grow into the rest again.
        let end = below_the_caller().saturating_sub(PAGE) / PAGE * PAGE;
        if let Some(begin) = self.stack.filter(|begin| *begin < end) {
            advise((begin, end));
        }
        self.programs.iter().copied().for_each(advise);
    }
}

/// An address on the stack below all that the caller holds, however much was made a part of the caller: this is never.
#[inline(never)]
fn below_the_caller() -> usize {
    let here = 0_u8;
    std::hint::black_box(std::ptr::from_ref(&here)) as usize
}

fn advise((begin, end): (usize, usize)) {
    // SAFETY: the range is one of two kinds. A mapping of a program's file, which stays as long as the process, that can't
    // be written and of which the kernel counted no anonymous page: nothing was ever written there (by relocation
    // neither), so the next access reads the same bytes from the file. Or the stack of the only thread, further below the
    // current frame than any red zone: nobody's data.
    let _ = unsafe { madvise(begin as *mut c_void, end - begin, Advice::LinuxDontNeed) };
}

/// The mappings of files that can't be written and never were. proc_pid_smaps(5).
fn clean_pages_of_files(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut last = None;
    for line in smaps.lines() {
        if let Some(mapping) = mapping(line) {
            last =
                Some(mapping).filter(|(_, rights, path)| rights.starts_with("r-") && path.starts_with('/'));
        } else if line.strip_prefix("Anonymous:").is_some_and(|size| size.trim() == "0 kB") {
            found.extend(last.take().map(|(range, ..)| range));
        }
    }
    found
}

fn stack(smaps: &str) -> Option<(usize, usize)> {
    smaps.lines().filter_map(mapping).find(|(.., path)| *path == "[stack]").map(|(range, ..)| range)
}

/// `7f00-7fff r-xp 00000000 fe:00 123   /path`.
fn mapping(line: &str) -> Option<((usize, usize), &str, &str)> {
    let mut words = line.splitn(6, ' ');
    let (begin, end) = words.next()?.split_once('-')?;
    let range = (usize::from_str_radix(begin, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let rights = words.next()?;
    let path = words.nth(3).unwrap_or_default().trim();
    Some((range, rights, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_only_clean_pages_of_files_are_given_back() {
        let smaps = "1000-2000 r-xp 00000000 fe:00 1                   /bin/engine\nAnonymous:             0 kB\n\
                     3000-4000 r--p 00000000 fe:00 1                   /bin/engine\nAnonymous:             8 kB\n\
                     5000-6000 rw-p 00000000 fe:00 1                   /bin/engine\nAnonymous:             0 kB\n\
                     7000-8000 r-xp 00000000 00:00 0                   [vdso]\nAnonymous:             0 kB\n\
                     9000-a000 rw-p 00000000 00:00 0                   [stack]\nAnonymous:             8 kB\n";
        assert_eq!(
            clean_pages_of_files(smaps),
            [(0x1000, 0x2000)],
            "relocated, writable and the kernel's stay"
        );
        assert_eq!(stack(smaps), Some((0x9000, 0xa000)));
    }

    /// What a large frame holds is far from where it begins, and in use.
    #[test]
    fn ch00_a_large_frame_keeps_what_it_holds() {
        let mut large = [7_u8; 1 << 18];
        std::hint::black_box(&mut large);
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let here = std::ptr::from_ref(&large) as usize;
        let holds = |(begin, end): &(usize, usize)| (*begin..*end).contains(&here);
        let (begin, _) = maps.lines().filter_map(mapping).map(|(range, ..)| range).find(holds).unwrap();
        Spare { programs: Vec::new(), stack: Some(begin) }.give_back();
        assert_eq!(large.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 7 << 18);
    }

    #[test]
    fn ch00_who_gives_memory_back_goes_on() {
        let kept = vec![7_u8; 100_000];
        let spare = Spare::find();
        spare.give_back();
        spare.give_back();
        assert_eq!(kept.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 700_000);
    }
}
