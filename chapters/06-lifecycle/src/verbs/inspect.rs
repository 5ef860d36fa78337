//! `inspect`: all that is known about containers (and images), in the fields that Docker has.

use anyhow::Result;
use ch00_process::failure::Failure;
use ch04_images::show;
use clap::Args;
use serde_json::{Value, json};

use super::Io;
use crate::config::Restart;
use crate::containers::{Container, Containers};
use crate::state::Status;

/// `inspect`
#[derive(Debug, Args)]
pub struct Inspect {
    /// Only this: '{{.State.Status}}', '{{json .Config}}'
    #[arg(long, short, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Containers or images
    #[arg(required = true, value_name = "NAME")]
    containers: Vec<String>,
}

/// # Errors
/// What could not be done.
pub(super) fn inspect(inspect: &Inspect, io: &mut Io<'_>) -> Result<u8> {
    let all = Containers::open()?;
    let (mut found, mut code) = (Vec::new(), 0);
    for name in &inspect.containers {
        match all.find(name) {
            Ok(container) => found.push(known(&container)),
            // As Docker: where there is no container of this name, an image is meant.
            Err(error) => match all.store.image(name) {
                Ok(image) => found.push(show::inspect(&image)?),
                Err(_) => {
                    let is_none = format!("{error:#}").starts_with("No such container");
                    let nothing = || {
                        Failure::said(
                            format!("No such object: {name}"),
                            "",
                            "boxroom ps --all; boxroom images",
                        )
                    };
                    io.fail(&if is_none { nothing().into() } else { error });
                    code = 1;
                }
            },
        }
    }
    match inspect.format.as_deref() {
        None => writeln!(io.out, "{}", serde_json::to_string_pretty(&found)?)?,
        Some("json") => writeln!(io.out, "{}", serde_json::to_string(&found)?)?,
        Some(template) => {
            for one in &found {
                writeln!(io.out, "{}", show::format(template, one)?)?;
            }
        }
    }
    Ok(code)
}

/// All that is known.
#[must_use]
pub fn known(container: &Container) -> Value {
    let (config, state) = (&container.config, container.state());
    let said: Vec<_> =
        Some(state.error.clone()).into_iter().chain(state.lost()).filter(|said| !said.is_empty()).collect();
    let zero = || "0001-01-01T00:00:00Z".to_string(); // Go's word for never
    let restart = match config.restart {
        Restart::OnFailure(most) => json!({ "Name": "on-failure", "MaximumRetryCount": most.unwrap_or(0) }),
        other => json!({ "Name": other.to_string(), "MaximumRetryCount": 0 }),
    };
    let limits = &config.limits;
    json!({
        "Id": config.id(),
        "Created": config.created.to_string(),
        "Path": config.command.first(),
        "Args": config.command.iter().skip(1).collect::<Vec<_>>(),
        "State": {
            "Status": state.status.shown(),
            "Running": state.status.lives(),
            "Paused": state.status == Status::Paused,
            "Restarting": state.status == Status::Restarting,
            "OOMKilled": state.oom,
            "Dead": false,
            "Pid": state.process.as_ref().map_or(0, |process| process.pid),
            "MonitorPid": state.monitor.as_ref().map_or(0, |monitor| monitor.pid),
            "ExitCode": state.code,
            "Error": said.join("; "),
            "StartedAt": state.started.map_or_else(zero, |when| when.to_string()),
            "FinishedAt": state.finished.map_or_else(zero, |when| when.to_string()),
        },
        "Image": config.container.manifest,
        "LogPath": container.folder.join("log"),
        "Name": format!("/{}", config.name()),
        "RestartCount": state.restarts,
        "Driver": "overlay",
        "Platform": "linux",
        "GraphDriver": {
            "Name": "overlay",
            "Data": {
                "UpperDir": container.folder.join("upper"),
                "WorkDir": container.folder.join("work"),
                "LowerLayers": config.container.layers,
            },
        },
        "Mounts": config.mounts,
        "HostConfig": {
            "AutoRemove": config.remove,
            "RestartPolicy": restart,
            "LogConfig": {
                "Type": "cri",
                "Config": { "max-size": config.log.size.to_string(), "max-file": config.log.files.to_string() },
            },
            "Memory": limits.memory.unwrap_or(0),
            "MemorySwap": limits.memory_swap.unwrap_or(0),
            "NanoCpus": limits.cpus.map_or(0, |cpus| (cpus * 1e9) as u64),
            "CpusetCpus": limits.cpuset.clone().unwrap_or_default(),
            "PidsLimit": limits.pids,
            "ReadonlyRootfs": config.read_only,
            "Init": config.init,
            "CgroupParent": config.cgroup_parent,
        },
        "Config": {
            "Hostname": config.hostname,
            "User": config.user,
            "Tty": config.tty,
            "OpenStdin": config.interactive,
            "Env": config.env,
            "Cmd": config.command,
            "Image": config.container.image,
            "WorkingDir": config.workdir.clone().unwrap_or_default(),
            "Labels": config.labels,
            "StopSignal": config.container.stop_signal.clone().unwrap_or_else(|| "SIGTERM".into()),
            "StopTimeout": config.stop_timeout,
        },
    })
}
