//! How an image says to be run, and who has the last word.

use checks::finding::Finding;
use checks::stage::Stage;

use crate::back::other;
use crate::shop::{IMAGE, Shop};

fn equal(seen: &str, wanted: &str) -> Result<(), Finding> {
    if seen == wanted {
        return Ok(());
    }
    Err(other(seen, wanted))
}

const CHANGES: [&str; 4] = [
    "ENTRYPOINT [\"sh\", \"-c\", \"echo $A $0 $1; pwd\"]",
    "CMD [\"x\", \"y\"]",
    "ENV A=from-the-image",
    "WORKDIR /made/for/it",
];

fn talking(stage: &Stage) -> Result<Shop, Finding> {
    let shop = Shop::open(stage)?;
    let rootfs = shop.place("rootfs").to_string_lossy().into_owned();
    let mut words = vec!["import", &rootfs, "talking"];
    for change in &CHANGES {
        words.extend(["--change", change]);
    }
    shop.must(&words)?;
    Ok(shop)
}

pub(crate) fn heard(stage: &Stage) -> Result<(), Finding> {
    let shop = talking(stage)?;
    equal(&shop.tell(&["run", "talking"])?.stdout, "from-the-image x y\n/made/for/it\n")
}

pub(crate) fn overridden(stage: &Stage) -> Result<(), Finding> {
    let shop = talking(stage)?;
    equal(&shop.must(&["run", "talking", "a", "b"])?, "from-the-image a b\n/made/for/it\n")?;
    equal(&shop.must(&["run", "-e", "A=mine", "-w", "/goods", "talking"])?, "mine x y\n/goods\n")?;
    equal(&shop.must(&["run", "--entrypoint", "echo", "talking"])?, "\n")?;
    equal(&shop.must(&["run", "--entrypoint", "", "talking", "echo", "bare"])?, "bare\n")?;
    let none = shop.tell(&["run", "--entrypoint", "", "talking"])?;
    equal(&none.code.to_string(), "125")
}

pub(crate) fn user(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let script = "echo app:x:1234:2345::/srv/app:/bin/sh >> /etc/passwd; echo team:x:3456: >> /etc/group; \
                  echo also:x:4567:other,app >> /etc/group";
    equal(&shop.sh(&["--name", "c"], script)?.stderr, "")?;
    shop.must(&["commit", "c", "next", "--change", "USER app"])?;
    let look = "id -u; id -g; echo $HOME";
    equal(&shop.must(&["run", "next", "sh", "-c", look])?, "1234\n2345\n/srv/app\n")?;
    equal(&shop.must(&["run", "--user", "app:team", "next", "sh", "-c", look])?, "1234\n3456\n/srv/app\n")?;
    equal(&shop.must(&["run", "--user", "7:8", "next", "sh", "-c", look])?, "7\n8\n/\n")?;
    // Its groups are the image's; who names a group has that one alone.
    let groups =
        "while read -r key rest; do test $key = Groups: && echo $rest; done < /proc/self/status; true";
    equal(&shop.must(&["run", "next", "sh", "-c", groups])?, "4567\n")?;
    equal(&shop.must(&["run", "--user", "app:team", "next", "sh", "-c", groups])?, "\n")?;
    let nobody = shop.tell(&["run", "--user", "app", IMAGE, "true"])?;
    equal(&nobody.code.to_string(), "125")?;
    // A passwd that is a symlink is the attacker's choice of file.
    equal(&shop.sh(&["--name", "d"], "rm /etc/passwd; ln -s /proc/self/environ /etc/passwd")?.stderr, "")?;
    shop.must(&["commit", "d", "linked"])?;
    equal(&shop.tell(&["run", "--user", "app", "linked", "true"])?.code.to_string(), "125")
}

pub(crate) fn both_ways(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let script = "rm /goods/two; echo x > /goods/one; echo /goods/*; cat /goods/one";
    let seen = |way| shop.sh(&["--stack-by", way], script).map(|ended| ended.stdout);
    equal(&seen("mount")?, &seen("fsconfig")?)?;
    equal(&seen("mount")?, "/goods/inner /goods/one /goods/same-as-one\nx\n")
}

/// Root with a user namespace: real ids on the disk, mapped ones inside, and nothing of the host's left mounted.
pub(crate) fn id_mapped(stage: &Stage) -> Result<(), Finding> {
    let shop = Shop::open(stage)?;
    let script = "while read -r id parent device inside place rest; do test $place = / && echo root; done < /proc/self/mountinfo; \
                  read -r first outside count < /proc/self/uid_map; test $outside -gt 0 && echo mapped; \
                  echo x > /goods/mine; chown 7:7 /goods/mine; rm -rf /goods/inner; echo /goods/*";
    let seen = shop.sh(&["--userns", "auto", "--name", "c"], script)?;
    let wanted = "root\nmapped\n/goods/mine /goods/one /goods/same-as-one /goods/two\n";
    equal(&(seen.stdout + &seen.stderr), wanted)?;
    shop.must(&["commit", "c", "next"])?;
    let look =
        "ls -ln /goods/mine | { read -r mode links user group rest; echo $user $group; }; echo /goods/*";
    let wanted = "7 7\n/goods/mine /goods/one /goods/same-as-one /goods/two\n";
    for userns in ["host", "auto"] {
        equal(&shop.must(&["run", "--userns", userns, "next", "sh", "-c", look])?, wanted)?;
    }
    Ok(())
}
