//! Verbs that look: ps, logs.

use anyhow::Result;
use ch00_process::failure::Failure;
use clap::Args;
use serde_json::{Value, json};

use super::Io;
use super::table::{Filters, columns, formatted, labelled};
use crate::containers::{Container, Containers};
use crate::log::read;
use crate::state::{State, Status};
use crate::when::{When, for_people};

/// `ps`
#[derive(Debug, Args)]
pub struct Ps {
    /// Those that have ended or never began, too
    #[arg(long, short)]
    all: bool,
    /// Only the ids
    #[arg(long, short)]
    quiet: bool,
    /// Only these: id=, name=, label=KEY[=VALUE], status=, exited=CODE, ancestor=IMAGE, before=, since=
    #[arg(long, short, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Another form: json, '{{.Names}}: {{.Status}}', 'table {{.ID}}\t{{.Image}}'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Only the last that were created, whatever they do
    #[arg(long, short = 'n', value_name = "N")]
    last: Option<usize>,
    /// The last that was created
    #[arg(long, short)]
    latest: bool,
    /// Nothing is cut off
    #[arg(long)]
    no_trunc: bool,
}

/// `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Go on while it lives
    #[arg(long, short)]
    follow: bool,
    /// The moment before each line
    #[arg(long, short)]
    timestamps: bool,
    /// Only so many lines of the end, or all
    #[arg(long, short = 'n', value_name = "N", default_value = "all")]
    tail: String,
    /// Nothing older: 10m, 2026-03-01T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = When::read)]
    since: Option<When>,
    /// Nothing newer
    #[arg(long, value_name = "WHEN", value_parser = When::read)]
    until: Option<When>,
    /// The container
    container: String,
}

/// What stands above each column, by the name of its field.
const HEAD: [(&str, &str); 10] = [
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("RunningFor", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Status", "STATUS"),
    ("State", "STATE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Size", "SIZE"),
];

const FILTERS: [&str; 8] = ["id", "name", "label", "status", "exited", "ancestor", "before", "since"];

/// # Errors
/// What could not be done.
pub(super) fn ps(ps: &Ps, io: &mut Io<'_>) -> Result<()> {
    let all = Containers::open()?;
    let filters = Filters::read(&ps.filter, &FILTERS)?;
    let border = |key: &str| -> Result<Option<When>> {
        let word = ps.filter.iter().find_map(|word| word.strip_prefix(key));
        word.map(|name| all.find(name).map(|container| container.config.created)).transpose()
    };
    let (before, since) = (border("before=")?, border("since=")?);
    let last = if ps.latest { Some(1) } else { ps.last };
    let everybody = ps.all || last.is_some() || filters.has("status") || filters.has("exited");
    let mut shown = Vec::new();
    for container in all.list()? {
        let state = container.state();
        let config = &container.config;
        let passes = filters.pass(|key, value| match key {
            "id" => config.id().starts_with(value),
            "name" => config.name().contains(value),
            "label" => labelled(&config.labels, value),
            "status" => state.status.shown() == value,
            "exited" => state.status == Status::Stopped && state.code.to_string() == value,
            "ancestor" => is_of(&config.container.image, value),
            "before" => before.is_none_or(|border| config.created < border),
            _ => since.is_none_or(|border| config.created > border),
        });
        let lives = state.status.lives() || state.status == Status::Restarting;
        if passes && (everybody || lives) {
            shown.push((container, state));
        }
    }
    if ps.all {
        for one in all.all_damaged()? {
            writeln!(io.err, "{}: {}", io.program, one.line())?;
        }
    }
    shown.truncate(last.unwrap_or(usize::MAX));
    if ps.quiet {
        shown.iter().try_for_each(|(container, _)| writeln!(io.out, "{}", container.config.id()))?;
        return Ok(());
    }
    let rows: Vec<Value> =
        shown.iter().map(|(container, state)| row(container, state, ps.no_trunc)).collect();
    if let Some(template) = &ps.format {
        write!(io.out, "{}", formatted(template, &rows, &HEAD)?)?;
        return Ok(());
    }
    let fields = ["ID", "Image", "Command", "RunningFor", "Status", "Names"];
    let name =
        |field: &&str| HEAD.iter().find(|(key, _)| key == field).map_or("", |(_, name)| *name).to_string();
    let mut table = vec![fields.iter().map(name).collect::<Vec<_>>()];
    table.extend(
        rows.iter().map(|row| fields.iter().map(|field| row[field].as_str().unwrap_or("").into()).collect()),
    );
    write!(io.out, "{}", columns(&table))?;
    Ok(())
}

/// `base` is an image's name, and so is `base:latest`.
fn is_of(image: &str, wanted: &str) -> bool {
    image == wanted
        || image.strip_suffix(":latest") == Some(wanted)
        || wanted.strip_suffix(":latest") == Some(image)
}

fn row(container: &Container, state: &State, whole: bool) -> Value {
    let config = &container.config;
    let command = config.command.join(" ");
    let short = if whole || command.chars().count() <= 20 {
        command
    } else {
        command.chars().take(19).collect::<String>() + "…"
    };
    let labels: Vec<String> = config.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    json!({
        "ID": config.id(),
        "Image": config.container.image,
        "Command": format!("{short:?}"),
        "RunningFor": format!("{} ago", for_people(config.created.ago())),
        "CreatedAt": config.created.to_string(),
        "Status": status(state),
        "State": state.status.shown(),
        "Names": config.name(),
        "Labels": labels.join(","),
    })
}

/// `Up 2 minutes`, `Exited (137) 3 hours ago`.
pub(crate) fn status(state: &State) -> String {
    let since = |when: Option<When>| when.map_or_else(|| "some time".into(), |when| for_people(when.ago()));
    match state.status {
        Status::Created => "Created".into(),
        Status::Running => format!("Up {}", since(state.started)),
        Status::Paused => format!("Up {} (Paused)", since(state.started)),
        Status::Restarting => format!("Restarting ({}) {} ago", state.code, since(state.finished)),
        // Whose end nobody saw, nobody knows the moment of.
        Status::Stopped => match state.finished {
            Some(_) => format!("Exited ({}) {} ago", state.code, since(state.finished)),
            None => format!("Exited ({})", state.code),
        },
    }
}

/// # Errors
/// What could not be done.
pub(super) fn logs(logs: &Logs, io: &mut Io<'_>) -> Result<()> {
    let container = Containers::open()?.find(&logs.container)?;
    let tail = match logs.tail.as_str() {
        "all" => None,
        text => text.parse::<i64>().ok().and_then(|lines| usize::try_from(lines).ok()), // Docker's: what is no number is all
    };
    let show = read::Show {
        follow: logs.follow,
        tail,
        since: logs.since,
        until: logs.until,
        timestamps: logs.timestamps,
    };
    if container.config.remove && !container.folder.join("log").exists() && container.state().status.lives() {
        let cause = "it runs in the foreground with --rm: what it says goes to its own terminal";
        return Err(Failure::said(
            format!("container {}: no log", container.name()),
            cause,
            "run -d keeps one",
        )
        .into());
    }
    read::show(&container, &show, &mut io.out, &mut io.err)?;
    if let Some(lost) = container.state().lost() {
        writeln!(io.err, "{}: container {}: {lost}", io.program, container.name())?;
    }
    Ok(())
}
