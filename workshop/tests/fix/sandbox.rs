//! A machine of its own for one scene: a user and a mount namespace, /etc as a copy, a user who is only in that copy.
//!
//! In a user namespace of its own `user.max_user_namespaces` is its own too: a scene sets it to 0 and nobody notices.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Plays one scene; what it printed comes with its failure.
pub(crate) fn play(script: &str) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("boxroom-fix-").tempdir()?;
    let mut child = Command::new("unshare")
        .args(["--user", "--mount", "bash", "-c", "read -r go; eval \"$go\"; exec bash -euxc \"$0\""])
        .arg(format!("{PROLOGUE}\n{script}"))
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("folder", folder.path())
        .env("workshop", env!("CARGO_BIN_EXE_workshop"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("unshare")?;
    map(&child)?;
    child.stdin.take().context("a pipe")?.write_all(b"exec </dev/null\n")?;
    let ended = child.wait_with_output()?;
    if !ended.status.success() {
        bail!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    }
    Ok(())
}

/// All ids as they are, so that setuid programs and ranges work inside: only root outside may write such a map.
fn map(child: &Child) -> Result<()> {
    let process = Path::new("/proc").join(child.id().to_string());
    let mine = fs::read_link("/proc/self/ns/user")?;
    let began = Instant::now();
    while fs::read_link(process.join("ns/user"))? == mine {
        if began.elapsed() > Duration::from_secs(10) {
            bail!("unshare made no user namespace");
        }
        sleep(Duration::from_millis(5));
    }
    for file in ["uid_map", "gid_map"] {
        fs::write(process.join(file), "0 0 1000000").with_context(|| file.to_string())?;
    }
    Ok(())
}

/// What each scene begins with.
const PROLOGUE: &str = r#"
exec 2>&1
user=boxroom-fix
mount --make-rprivate /
mount -t tmpfs -o mode=755 boxroom-fix "$folder"
cd "$folder"
mkdir bin home before
cp -a /etc etc
mount --bind etc /etc
cp "$workshop" bin/workshop
useradd --no-create-home --home-dir "$folder/home" --shell /bin/bash $user
touch /etc/subuid /etc/subgid
sed -i "/^$user:/d" /etc/subuid /etc/subgid
chown $user: home
keep() { for file in subuid subgid; do cp /etc/$file "$folder/before/$file"; done; }
keep
# sudo as it is meant: whoever calls it is root. A setuid shell on a file system that only this scene sees.
cp /bin/bash rootsh
chmod 4755 rootsh
cat >bin/sudo <<END
#!$folder/rootsh -p
shift
case \$1 in mv) [ ! -e $folder/kill-at-mv ] || exec kill -KILL \$PPID ;; esac
exec setpriv --reuid=0 --regid=0 --clear-groups -- "\$@"
END
chmod 755 bin/sudo
PATH=$folder/bin:$PATH

as_user() {
    setpriv --reuid=$user --regid=$user --clear-groups \
        env -i HOME="$folder/home" PATH="$PATH" NO_COLOR=1 BOXROOM_RUN="$folder/home/run" workshop "$@"
}
# says CODE TEXT ARGUMENTS...: the doctor ends with that code and says that text.
says() {
    local code=0 wanted=$1 text=$2
    shift 2
    said=$(as_user doctor "$@" 2>&1) || code=$?
    printf '%s\n' "$said"
    [ "$code" = "$wanted" ]
    holds "$text"
}
holds() { [[ $said == *"$1"* ]]; }
# Both files are, byte by byte, what they were.
same() { for file in subuid subgid; do cmp /etc/$file "$folder/before/$file"; done; }
# A program that isn't there: what is found has to be a file.
hide() { for place in "$1" "/sbin/${1##*/}"; do [ ! -e "$place" ] || mount --bind /dev/null "$place"; done; }
# Ubuntu's switch, and a parser that only notes what it is given; refused is a user namespace by the limit of this one.
ubuntu() {
    local boot
    boot=$(cat /proc/sys/kernel/random/boot_id)
    mount -t tmpfs boxroom-fix /proc/sys/kernel
    mkdir /proc/sys/kernel/random
    echo "$boot" >/proc/sys/kernel/random/boot_id
    echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns
    echo 0 >/proc/sys/user/max_user_namespaces
    mkdir -p /etc/apparmor.d/abi
    touch /etc/apparmor.d/abi/4.0
    printf '#!/bin/sh\n[ -e "$2" ] && echo "$*" >>%s\n' "$folder/parser.log" >bin/apparmor_parser
    chmod 755 bin/apparmor_parser
}
"#;
