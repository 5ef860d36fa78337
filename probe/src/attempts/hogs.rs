//! Taking more than one's share. Each stops itself far above the limits that the tests set, and far below what would
//! harm a host on which nothing limits it.

use std::env;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::facts::{Evidence, Facts};

/// So much memory is taken where nobody stops it, bytes.
pub const MEMORY: usize = 160 << 20;
/// So many processes are started.
pub const PROCESSES: usize = 80;
/// So long the processor is kept busy.
const BUSY: Duration = Duration::from_millis(1000);

/// Memory, every page of it written to, and kept. The outside looks how much this process has.
pub fn memory(_: &Facts) -> Evidence {
    const PIECE: usize = 1 << 20;
    let mut evidence = Evidence::default();
    for n in 0..MEMORY / PIECE {
        let mut piece = vec![0xa5_u8; PIECE];
        // Each page another one: pages that are alike could be put together, or packed into nothing.
        for (page, bytes) in piece.chunks_mut(4096).enumerate() {
            bytes[..8].copy_from_slice(&(n * PIECE + page).to_ne_bytes());
        }
        std::hint::black_box(piece.leak());
    }
    evidence.told.push(format!("take {} MiB of memory: done", MEMORY >> 20));
    evidence
}

/// Processes that wait, each a copy of this program. They end with this one, which holds their standard input. The
/// outside counts them.
pub fn processes(_: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let program = env::args_os().next().unwrap_or_default();
    let mut started = Vec::new();
    for _ in 0..PROCESSES {
        let child = Command::new(&program).arg("sitter").stdin(Stdio::piped()).spawn();
        match child {
            Ok(child) => started.push(child),
            Err(error) => {
                evidence.told.push(format!("start process {}: {error}", started.len() + 1));
                break;
            }
        }
    }
    evidence.told.push(format!("start {} processes: done", started.len()));
    std::mem::forget(started); // dropped, their standard input would be closed and they would end
    evidence
}

/// All processors, by many threads, for a moment. The outside looks at how much time this process got.
pub fn processor(_: &Facts) -> Evidence {
    let mut evidence = Evidence::default();
    let threads = 4 * thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let end = Instant::now() + BUSY;
    thread::scope(|scope| {
        for _ in 0..threads {
            // A thread that can't be had is one hog less.
            let _ = thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, || {
                let mut n = 0_u64;
                while Instant::now() < end {
                    n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
                }
            });
        }
    });
    evidence.told.push(format!("be busy for {} ms: done", BUSY.as_millis()));
    evidence
}
