//! Volumes as text: Docker's table, and Docker's JSON.

use std::fmt::Write;

use anyhow::Result;
use serde_json::{Value, json};

use super::{Store, Volume};

/// The table of `volume ls`; `quiet`: the names alone.
#[must_use]
pub fn table(volumes: &[Volume], quiet: bool) -> String {
    if quiet {
        return volumes.iter().map(|volume| format!("{}\n", volume.name)).collect();
    }
    let mut text = format!("{:<8}  VOLUME NAME\n", "DRIVER");
    for volume in volumes {
        let _ = writeln!(text, "{:<8}  {}", "local", volume.name);
    }
    text
}

/// All that is known of a volume, with Docker's keys; `Anonymous` and `Users` are ours.
///
/// # Errors
/// Its folder can't be read.
pub fn inspect(store: &Store, volume: &Volume) -> Result<Value> {
    Ok(json!({
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": store.data(&volume.name),
        "Name": volume.name,
        "Options": null,
        "Scope": "local",
        "Anonymous": volume.anonymous,
        "Users": store.users(&volume.name)?,
    }))
}
