//! What makes no sense is refused, in Docker's words, with Docker's code and the way out; and nothing has begun.

use checks::finding::Finding;
use checks::stage::Stage;

use crate::desk::{Desk, equal, first};

pub(crate) fn refused(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let nope = desk.path("nope");
    let file = desk.path("file");
    std::fs::write(&file, "x")?;
    let missing = format!("bind source path does not exist: {nope}");
    let cases: &[(&[&str], &str)] = &[
        (&["-v", &format!("{nope}:/x")], &missing),
        (&["--mount", &format!("type=bind,source={nope},target=/x")], &missing),
        (&["-v", "data:relative"], "mount path must be absolute"),
        (&["--mount", "type=volume,source=data,target=relative"], "mount path must be absolute"),
        (&["--tmpfs", "relative"], "mount path must be absolute"),
        (&["-v", "data:/"], "destination can't be '/'"),
        (&["-v", "one:/x", "--tmpfs", "/x"], "Duplicate mount point: /x"),
        (&["-v", "a b:/x"], "includes invalid characters for a local volume name"),
        (&["-v", "one:/x:z"], "invalid mode: z"),
        (&["-v", "one:/x:Z"], "invalid mode: Z"),
        (&["-v", "one:/x:rshared"], "invalid mode: rshared"),
        (&["-v", "one:/x:colour"], "invalid mode: colour"),
        (&["-v", "one::ro"], "invalid volume specification"),
        (&["--mount", "type=bind,target=/x"], "field Source must not be empty"),
        (&["--mount", "type=bind,source=/etc"], "field Target must not be empty"),
        (&["--mount", "type=npipe,target=/x"], "invalid mount type"),
        (&["--mount", "type=volume,target=/x,volume-driver=nfs"], "no such thing"),
        (&["--mount", "type=tmpfs,target=/x,source=y"], "source must not be specified"),
        (&["--tmpfs", "/x:colour=red"], "invalid tmpfs option"),
        (&["--tmpfs", "/x:size=red"], "tmpfs takes no size=red"),
        (
            &["-v", &format!("{file}:/etc")],
            "Are you trying to mount a directory onto a file (or vice-versa)?",
        ),
        (&["-v", "/etc:/etc/passwd"], "Are you trying to mount a directory onto a file (or vice-versa)?"),
    ];
    for (options, words) in cases {
        let ended = desk.sh(options, "echo ran")?;
        let flat = ended.stderr.replace('\n', " ");
        if ended.code != 125
            || !flat.contains(words)
            || ended.stdout.contains("ran")
            || !flat.contains("try:")
        {
            let saw = format!("{options:?}: exit code {}, {:?}", ended.code, ended.stderr);
            return Err(Finding::seen("other").with("saw", saw).with("wanted", words));
        }
    }
    let all = desk.all()?;
    equal(&format!("{}", all.iter().any(|name| ["data", "one"].contains(&name.as_str()))), "false")?;
    let unknown = desk.tell(&["volume", "inspect", "nope"])?;
    equal(first(&unknown.stderr), "ch05-volumes: get nope: no such volume")
}

pub(crate) fn codes(stage: &Stage) -> Result<(), Finding> {
    let desk = Desk::new(stage)?;
    let data = format!("{}:/data", desk.volume("data"));
    let mut seen = Vec::new();
    for words in
        [["sh", "-c", "exit 3"], ["sh", "-c", "kill -KILL $$"], ["/no/such", "", ""], ["/etc/passwd", "", ""]]
    {
        let mut command = desk.command(&["--init", "-v", &data], checks::mould::IMAGE, &words)?;
        seen.push(crate::desk::ended(&mut command)?.code.to_string());
    }
    equal(&seen.join(" "), "3 137 127 126")
}
