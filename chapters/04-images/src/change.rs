//! How an image says to be run, and how `--change` changes it: the Dockerfile's words `CMD`, `ENTRYPOINT`, `ENV`,
//! `USER`, `WORKDIR`, `LABEL`, `EXPOSE`, `VOLUME`, `STOPSIGNAL`.

use std::collections::HashMap;

use oci_spec::image::Config;

/// Applies one change, `CMD ["sh"]` or `ENV KEY=VALUE`.
///
/// # Errors
/// A word that isn't known, or no value for it.
pub fn apply(config: &mut Config, change: &str) -> Result<(), String> {
    let (word, rest) = change.trim().split_once([' ', '\t']).unwrap_or((change.trim(), ""));
    let rest = rest.trim();
    let wrong = |why: &str| format!("--change {change:?}: {why}");
    if rest.is_empty() && !matches!(word.to_ascii_uppercase().as_str(), "CMD" | "ENTRYPOINT") {
        return Err(wrong("a word and its value, such as: CMD [\"sh\"]"));
    }
    match word.to_ascii_uppercase().as_str() {
        "CMD" => config.set_cmd(Some(words(rest).map_err(|why| wrong(&why))?)),
        "ENTRYPOINT" => config.set_entrypoint(Some(words(rest).map_err(|why| wrong(&why))?)),
        "USER" => config.set_user(Some(rest.into())),
        "STOPSIGNAL" => config.set_stop_signal(Some(rest.into())),
        "WORKDIR" if rest.starts_with('/') => config.set_working_dir(Some(rest.into())),
        "WORKDIR" => {
            let before = config.working_dir().clone().unwrap_or_default();
            config.set_working_dir(Some(format!("{}/{rest}", before.trim_end_matches('/'))))
        }
        "ENV" => {
            let (key, value) = pair(rest).ok_or_else(|| wrong("ENV KEY=VALUE"))?;
            let mut env = config.env().clone().unwrap_or_default();
            set_variable(&mut env, &format!("{key}={value}"));
            config.set_env(Some(env))
        }
        "LABEL" => {
            let (key, value) = pair(rest).ok_or_else(|| wrong("LABEL KEY=VALUE"))?;
            let mut labels: HashMap<String, String> = config.labels().clone().unwrap_or_default();
            labels.insert(key, value);
            config.set_labels(Some(labels))
        }
        "EXPOSE" => {
            let port = if rest.contains('/') { rest.into() } else { format!("{rest}/tcp") };
            config.set_exposed_ports(Some(with(config.exposed_ports().clone().unwrap_or_default(), port)))
        }
        "VOLUME" => {
            let list = if rest.starts_with('[') {
                words(rest)?
            } else {
                rest.split_whitespace().map(Into::into).collect()
            };
            config
                .set_volumes(Some(list.into_iter().fold(config.volumes().clone().unwrap_or_default(), with)))
        }
        _ => {
            return Err(wrong(
                "known are CMD, ENTRYPOINT, ENV, USER, WORKDIR, LABEL, EXPOSE, VOLUME, STOPSIGNAL",
            ));
        }
    };
    Ok(())
}

/// Sets `KEY=VALUE` in an environment, in the place of the one before.
pub fn set_variable(env: &mut Vec<String>, pair: &str) {
    let key = pair.split('=').next().unwrap_or_default();
    match env.iter_mut().find(|other| other.split('=').next() == Some(key)) {
        Some(other) => *other = pair.into(),
        None => env.push(pair.into()),
    }
}

/// `["a", "b"]` is the words themselves, anything else is for a shell: as Docker has it.
fn words(text: &str) -> Result<Vec<String>, String> {
    if text.starts_with('[') {
        return serde_json::from_str(text).map_err(|error| format!("no list of words: {error}"));
    }
    if text.is_empty() { Ok(Vec::new()) } else { Ok(vec!["/bin/sh".into(), "-c".into(), text.into()]) }
}

/// `KEY=VALUE`, `KEY="VALUE"` or `KEY VALUE`.
fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=').or_else(|| text.split_once(' '))?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    (!key.trim().is_empty()).then(|| (key.trim().into(), value.into()))
}

fn with(mut list: Vec<String>, one: String) -> Vec<String> {
    if !list.contains(&one) {
        list.push(one);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_changes_are_dockers_words() {
        let mut config = Config::default();
        for change in [
            "CMD [\"a\", \"b c\"]",
            "entrypoint run it",
            "ENV A=1",
            "ENV A=\"2 3\"",
            "WORKDIR /x",
            "WORKDIR y",
            "VOLUME /a /b",
            "VOLUME [\"/a\", \"/c d\"]",
        ] {
            apply(&mut config, change).unwrap();
        }
        assert_eq!(config.cmd().as_deref().unwrap(), ["a", "b c"]);
        assert_eq!(config.entrypoint().as_deref().unwrap(), ["/bin/sh", "-c", "run it"]);
        assert_eq!(config.env().as_deref().unwrap(), ["A=2 3"]);
        assert_eq!(config.working_dir().as_deref().unwrap(), "/x/y");
        assert_eq!(config.volumes().as_deref().unwrap(), ["/a", "/b", "/c d"]);
        for wrong in ["RUN x", "CMD [a]", "ENV", "ENV =x", ""] {
            assert!(apply(&mut config, wrong).is_err(), "{wrong}");
        }
    }
}
