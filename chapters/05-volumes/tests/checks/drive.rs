//! The drive is plugged in, and into the next one.

use std::fs;

use checks::finding::Finding;
use checks::stage::Stage;

use crate::desk::{Desk, equal, says};

pub(crate) fn outlives(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let data = format!("{}:/data", desk.volume("data"));
    desk.sh(&["-v", &data], "mkdir -p /data && echo kept > /data/file")?;
    says(&desk.sh(&["-v", &data], "cat /data/file 2>/dev/null || echo nothing")?, "kept\n")
}

pub(crate) fn bind(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let folder = desk.make("folder")?;
    fs::write(desk.path("folder/from-outside"), "outside\n")?;
    let mount = format!("{folder}:/mnt/deep/folder");
    let script = "cat /mnt/deep/folder/from-outside 2>/dev/null || echo nothing; (echo inside > /mnt/deep/folder/from-inside) 2>/dev/null; true";
    says(&desk.sh(&["-v", &mount], script)?, "outside\n")?;
    equal(&fs::read_to_string(desk.path("folder/from-inside")).unwrap_or_default(), "inside\n")?;
    let long = format!("type=bind,source={folder},target=/x");
    says(&desk.sh(&["--mount", &long], "cat /x/from-inside")?, "inside\n")
}

pub(crate) fn file(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    fs::write(desk.path("file"), "of the host\n")?;
    // One that is missing is made as a file, one that is there is hidden.
    for target in ["/new/folder/file", "/etc/passwd"] {
        let mount = format!("{}:{target}:ro", desk.path("file"));
        let script = format!("cat {target} 2>/dev/null || echo nothing");
        says(&desk.sh(&["-v", &mount], &script)?, "of the host\n")?;
    }
    Ok(())
}

/// The story: written to, the laptop thrown away, plugged into the next one, which is newer.
pub(crate) fn next_laptop(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let old = desk.image("echo 1 > /etc/version; mkdir -p /srv", &[])?;
    let new = desk.image("echo 2 > /etc/version; mkdir -p /srv; echo tool > /etc/tool", &[])?;
    let drive = format!("{}:/srv", desk.volume("drive"));
    let work = "cat /etc/version; cat /srv/thesis 2>/dev/null; echo page $(cat /etc/version) >> /srv/thesis";
    says(&desk.sh_in(&old, &["-v", &drive], work)?, "1\n")?;
    says(&desk.sh_in(&new, &["-v", &drive], &format!("{work}; cat /etc/tool"))?, "2\npage 1\ntool\n")?;
    says(&desk.sh_in(&old, &["-v", &drive], "cat /srv/thesis")?, "page 1\npage 2\n")
}

pub(crate) fn temporary(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let look = "(echo x > /scratch/file) 2>/dev/null && cat /scratch/file; grep -c ' /scratch .*nosuid,nodev,noexec.*size=64k' /proc/self/mountinfo; true";
    says(&desk.sh(&["--tmpfs", "/scratch:size=64k"], look)?, "x\n1\n")?;
    let full = "head -c 100000 /dev/zero > /scratch/big 2>/dev/null || echo full; ls /scratch | wc -l";
    says(&desk.sh(&["--mount", "type=tmpfs,target=/scratch,tmpfs-size=64k"], full)?, "full\n1\n")
}

pub(crate) fn read_only_root(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let data = format!("{}:/not/there/yet", desk.volume("data"));
    let script =
        "echo x > /not/there/yet/file && echo written; (echo x > /etc/file) 2>/dev/null || echo refused";
    says(&desk.sh(&["--read-only", "-v", &data], script)?, "written\nrefused\n")
}

pub(crate) fn workdir(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let name = desk.volume("data");
    let data = format!("{name}:/data");
    desk.sh(&["-v", &data], "echo here > /data/file")?;
    says(&desk.sh(&["-v", &data, "--workdir", "/data"], "cat file")?, "here\n")?;
    says(&desk.sh(&["-v", &data, "--workdir", "/data/new"], "pwd; echo x > file")?, "/data/new\n")?;
    says(&desk.sh(&["-v", &data], "cat /data/new/file")?, "x\n")
}

pub(crate) fn read_only(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let folder = desk.make("folder")?;
    fs::write(desk.path("folder/file"), "before\n")?;
    let name = desk.volume("data");
    let script = "for d in /mnt /data; do mkdir -p $d; (echo after > $d/file) 2>/dev/null || echo refused; rm -f $d/file 2>/dev/null; chmod 777 $d 2>/dev/null; done; true";
    let ended = desk.sh(&["-v", &format!("{folder}:/mnt:ro"), "-v", &format!("{name}:/data:ro")], script)?;
    says(&ended, "refused\nrefused\n")?;
    equal(&fs::read_to_string(desk.path("folder/file")).unwrap_or_default(), "before\n")
}
