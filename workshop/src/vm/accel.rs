//! Whether /dev/kvm really works: that the device is there says little. In a virtual machine in a cloud it may open,
//! and no guest ever comes up. So one is booted, once, and what came of it is kept until the next boot.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use nix::unistd::{AccessFlags, access};

use super::fetch::{Cache, Qemu};
use super::machine::{Accelerator, Machine, Plan};

/// Emulated, a guest is up after four seconds here; with KVM it takes one.
const PATIENCE: Duration = Duration::from_secs(6);

/// What this machine's guests run by. `plan` is one that comes up and speaks.
///
/// # Errors
/// qemu can't be started at all.
pub fn choose(cache: &Cache, qemu: &Qemu, plan: &Plan) -> Result<Accelerator> {
    if access("/dev/kvm", AccessFlags::R_OK | AccessFlags::W_OK).is_err() {
        return Ok(Accelerator::Emulation);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let kept = cache.file("kvm");
    let answer = fs::read_to_string(&kept).unwrap_or_default();
    let works = match answer.strip_prefix(boot.trim()).map(str::trim) {
        Some("works") => true,
        Some("fails") => false,
        _ => {
            let works = comes_up(qemu, plan)?;
            fs::write(&kept, format!("{} {}\n", boot.trim(), if works { "works" } else { "fails" }))?;
            works
        }
    };
    Ok(if works { Accelerator::Kvm } else { Accelerator::Emulation })
}

fn comes_up(qemu: &Qemu, plan: &Plan) -> Result<bool> {
    let machine = Machine::start(qemu, Accelerator::Kvm, plan)?;
    while let Some(left) = PATIENCE.checked_sub(machine.took()) {
        match machine.line(left) {
            Some(line) if line.starts_with("@kernel ") => return Ok(true),
            Some(_) => {}
            None => return Ok(false),
        }
    }
    Ok(false)
}
