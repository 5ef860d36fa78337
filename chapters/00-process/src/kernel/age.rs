//! How old this kernel is: what it lacks for its age it refuses with an errno that says nothing of age.

use nix::errno::Errno;
use nix::sys::utsname::uname;

/// The oldest Linux that has everything that the chapters ask for (`mount_setattr` 5.12, `close_range` with its flag
/// and overlay in a user namespace 5.11, `cgroup.kill` 5.14).
pub const OLDEST: (u32, u32) = (5, 14);

/// What an old kernel answers to what it doesn't know: no such call, or no such flag.
const UNKNOWN: [Errno; 2] = [Errno::ENOSYS, Errno::EINVAL];

/// The cause, where it is this kernel's age that made it answer so.
#[must_use]
pub fn cause(errno: Errno) -> Option<String> {
    UNKNOWN.contains(&errno).then(too_old).flatten()
}

/// That this kernel is too old, where it is: for a call of which another errno may mean that, too.
#[must_use]
pub fn too_old() -> Option<String> {
    let release = uname().ok()?.release().to_string_lossy().into_owned();
    is_old(&release).then(|| {
        let (major, minor) = OLDEST;
        format!("this kernel is too old: Linux {release}, and boxroom needs {major}.{minor} or newer")
    })
}

/// `5.10.0-46-cloud-amd64`; what can't be read is not called old.
fn is_old(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_age_is_read_from_the_release() {
        assert!(is_old("5.10.0-46-cloud-amd64") && is_old("4.19.0"));
        assert!(!is_old("5.14.0-70.el9") && !is_old("6.1.0") && !is_old("10.0") && !is_old("odd"));
    }

    #[test]
    fn ch00_age_is_no_cause_of_a_missing_privilege() {
        assert_eq!(cause(Errno::EPERM), None);
    }
}
