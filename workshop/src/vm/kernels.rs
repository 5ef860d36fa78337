//! The kernels that are tried: a list, because each hides what another lacks.

use anyhow::{Result, bail};

/// One kernel, by the Debian that ships it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Its series, as `--kernel` names it: `6.1`.
    pub series: &'static str,
    /// The suite that has its package: `bookworm`.
    pub suite: &'static str,
    /// The Debian, for people.
    pub debian: u32,
    /// Older than the chapters ask for: then what is checked is that each says so, clearly.
    pub too_old: bool,
}

/// Oldest first.
pub const KERNELS: [Kernel; 3] = [
    Kernel { series: "5.10", suite: "bullseye", debian: 11, too_old: true },
    Kernel { series: "6.1", suite: "bookworm", debian: 12, too_old: false },
    Kernel { series: "6.12", suite: "trixie", debian: 13, too_old: false },
];

/// What is booted where nobody asks for another: the oldest that most people still meet. A developer's own is
/// newer and hides what this one can't do.
pub const USUAL: Kernel = KERNELS[1];

/// The package that depends on a suite's newest kernel for virtual machines: small, few modules, boots fast.
pub const META: &str = "linux-image-cloud-amd64";

/// The kernel of this series.
///
/// # Errors
/// It isn't in the list; the message has the list.
pub fn of_series(series: &str) -> Result<Kernel> {
    let Some(kernel) = KERNELS.iter().find(|kernel| kernel.series == series) else {
        let known: Vec<&str> = KERNELS.iter().map(|kernel| kernel.series).collect();
        bail!("there is no kernel {series} in the list; there are {}", known.join(", "));
    };
    Ok(*kernel)
}

impl Kernel {
    /// The package with the kernel itself, from what `apt-cache show` says about [`META`]. The first
    /// paragraph that fits is the newest.
    #[must_use]
    pub fn package(&self, shown: &str) -> Option<String> {
        let wanted = format!("linux-image-{}.", self.series);
        let depends = shown.lines().filter_map(|line| line.strip_prefix("Depends:"));
        depends
            .flat_map(|list| list.split(','))
            .filter_map(|one| one.split_ascii_whitespace().next())
            .find(|name| name.starts_with(&wanted))
            .map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
Package: linux-image-cloud-amd64
Version: 6.1.192-2
Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), other

Package: linux-image-cloud-amd64
Version: 6.1.176-1
Depends: linux-image-6.1.0-50-cloud-amd64 (= 6.1.176-1)
";

    #[test]
    fn the_newest_package_of_the_series_is_found() {
        let name = of_series("6.1").unwrap().package(SHOWN);
        assert_eq!(name.as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        let newer = "Depends: linux-image-6.12.118+deb13-cloud-amd64 (= 6.12.118-1)\n";
        assert_eq!(USUAL.package(newer), None, "6.12 begins with 6.1 and is another series");
        assert!(of_series("6.12").unwrap().package(newer).is_some());
    }

    #[test]
    fn an_unknown_series_is_told_with_the_list() {
        assert!(of_series("4.19").unwrap_err().to_string().ends_with("there are 5.10, 6.1, 6.12"));
    }
}
