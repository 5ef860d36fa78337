//! macOS, Windows and the rest: containers need the Linux kernel, so this is the way to one.

/// The way to a Linux from the system with this name (as in [`std::env::consts::OS`]).
#[must_use]
pub fn way(system: &str) -> String {
    let (name, steps) = match system {
        "macos" => ("macOS", MACOS),
        "windows" => ("Windows", WINDOWS),
        _ => (system, OTHER),
    };
    format!("{WHY}\n\nThis is {name}. {steps}\n\n{CONTAINER}\n\nThen, in there: cargo workshop")
}

const WHY: &str = "\
boxroom builds containers, and a container is a Linux thing: it has no kernel of its own, it uses
the one that is there. Docker Desktop runs a small Linux underneath too; you only don't see it.";

const MACOS: &str = "\
A Linux in a window of its own, with Lima (https://lima-vm.io):

    brew install lima
    limactl start --name=boxroom setup/lima.yaml
    limactl shell boxroom

Clone boxroom inside it (git clone, into the Linux home): a folder shared from macOS is slow, and
belongs to users that the Linux inside doesn't know.";

const WINDOWS: &str = "\
A Linux beside it, with WSL2 (not WSL1, which has no Linux kernel). In PowerShell as administrator:

    wsl --install -d Ubuntu-24.04
    wsl --set-version Ubuntu-24.04 2
    wsl -d Ubuntu-24.04

Clone boxroom inside it, into the Linux home (cd ~; git clone ...), not under /mnt/c: that is the
Windows disk, without owners, modes or sockets as Linux knows them.";

const OTHER: &str = "\
Any virtual machine with Linux 5.14 or newer will do (Debian 12, Ubuntu 22.04, Fedora, RHEL 9).";

const CONTAINER: &str = "\
Or open this folder in an editor that knows dev containers (VS Code: \"Reopen in Container\"): the
folder .devcontainer says what is needed, and Docker Desktop or Podman gives the Linux.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_is_led_to_a_linux() {
        assert!(way("macos").contains("limactl"));
        assert!(way("windows").contains("wsl --install"));
        for system in ["macos", "windows", "freebsd"] {
            assert!(way(system).contains("devcontainer"), "{system}");
            assert!(way(system).ends_with("cargo workshop"), "{system}");
        }
    }

    #[test]
    fn the_files_that_it_names_are_there() {
        let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(way("macos").contains("setup/lima.yaml"));
        for file in ["setup/lima.yaml", ".devcontainer/devcontainer.json"] {
            assert!(top.join(file).is_file(), "{file}");
        }
    }
}
