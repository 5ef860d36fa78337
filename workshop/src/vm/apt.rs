//! The machine's own apt tools, for packages that are unpacked and never installed: an installation could
//! remove what is there (a qemu of another version), and a virtual machine is not worth that.
//!
//! For another suite than the machine's there is a private configuration: lists and cache in a folder of its own, its
//! sources the machine's with the suite's name replaced. The machine's apt isn't touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;

use super::sources;

/// apt with one suite's packages.
pub struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// The machine's, as it is.
    #[must_use]
    pub fn own() -> Self {
        Self { options: sandbox() }
    }

    /// apt for `suite`, configured in `folder`; its lists are fetched the first time.
    ///
    /// # Errors
    /// This machine's sources name no Debian suite that could be replaced, or the lists can't be fetched.
    pub fn of_suite(suite: &str, folder: &Path) -> Result<Self> {
        let folder = folder.join(suite);
        let parts = folder.join("sources");
        for made in [&parts, &folder.join("lists/partial"), &folder.join("cache/archives/partial")] {
            fs::create_dir_all(made).with_context(|| made.display().to_string())?;
        }
        let found = sources::derive(suite)?;
        for (name, text) in &found {
            fs::write(parts.join(name), text)?;
        }
        let mut options = sandbox();
        for (name, value) in [
            ("Dir::Etc::SourceList", Path::new("/dev/null").into()),
            ("Dir::Etc::SourceParts", parts),
            ("Dir::State::Lists", folder.join("lists")),
            ("Dir::Cache", folder.join("cache")),
        ] {
            options.extend(["-o".into(), format!("{name}={}", value.display())]);
        }
        // Descriptions for software centres: megabytes that nobody here reads.
        options.extend(["-o".into(), "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into()]);
        let apt = Self { options };
        let fetched = folder.join("fetched");
        if !fetched.is_file() {
            apt.ask("apt-get", &["update", "-q"], None)?;
            fs::write(&fetched, "")?;
        }
        Ok(apt)
    }

    /// What `apt-cache show` says of a package; nothing where it isn't known.
    ///
    /// # Errors
    /// There is no apt-cache.
    pub fn show(&self, package: &str) -> Result<String> {
        let output = self.command("apt-cache", &["show", package]).output().context("starting apt-cache")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The package and what an installation of it would bring that isn't installed yet.
    ///
    /// # Errors
    /// apt doesn't know it, or it can't be installed beside what is there.
    pub fn with_what_it_needs(&self, package: &str) -> Result<Vec<String>> {
        let said = self.ask("apt-get", &["install", "-s", "-q", "--no-install-recommends", package], None)?;
        let mut names = would_install(&said);
        if names.is_empty() {
            names.push(package.into()); // installed already, without what is looked for
        }
        Ok(names)
    }

    /// Downloads packages and unpacks them below `folder`.
    ///
    /// # Errors
    /// The network, the disk; apt's own words.
    pub fn unpack(&self, packages: &[String], folder: &Path) -> Result<()> {
        let debs = folder.with_extension("debs");
        for made in [folder, debs.as_path()] {
            if made.exists() {
                fs::remove_dir_all(made)?;
            }
            fs::create_dir_all(made).with_context(|| made.display().to_string())?;
        }
        let mut words = vec!["download", "-q"];
        words.extend(packages.iter().map(String::as_str));
        self.ask("apt-get", &words, Some(&debs))?;
        for entry in fs::read_dir(&debs)? {
            let deb = entry?.path();
            let status = Command::new("dpkg-deb").arg("-x").args([&deb, &folder.to_path_buf()]).status();
            if !status.context("starting dpkg-deb")?.success() {
                bail!("dpkg-deb can't unpack {}", deb.display());
            }
        }
        fs::remove_dir_all(&debs)?;
        Ok(())
    }

    fn ask(&self, program: &str, words: &[&str], within: Option<&Path>) -> Result<String> {
        let mut command = self.command(program, words);
        if let Some(folder) = within {
            command.current_dir(folder);
        }
        let output = command.output().with_context(|| format!("starting {program}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
            bail!("{program} {}: {said}", words.join(" "));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        // Its sentences are read here, so they have to be the ones that are known.
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command.args(&self.options).args(words);
        command
    }
}

/// As root apt fetches as the user `_apt` where it may; below a closed home it may not, and says so at length.
fn sandbox() -> Vec<String> {
    if geteuid().is_root() { vec!["-o".into(), "APT::Sandbox::User=root".into()] } else { Vec::new() }
}

/// The names in what `apt-get install -s` would do: `Inst NAME [old] (new ...)`.
fn would_install(said: &str) -> Vec<String> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines.filter_map(|line| line.split_ascii_whitespace().next()).map(Into::into).collect()
}

/// Whether a program of this name is in the PATH.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_installation_names_its_packages() {
        let said = "\
NOTE: This is only a simulation!
Remv qemu-utils [1:8.2]
Inst libfdt1 (1.6.1-4+b1 Debian:12.11/stable [amd64])
Inst qemu-system-common [1:7.2] (1:7.2+dfsg-7 Debian:12.11/stable [amd64])
Conf libfdt1 (1.6.1-4+b1 Debian:12.11/stable [amd64])
";
        assert_eq!(would_install(said), ["libfdt1", "qemu-system-common"]);
        assert!(would_install("0 upgraded, 0 newly installed").is_empty());
    }
}
