//! Lists and pictures of what is in the store, as text.

use std::fmt::Write;

use anyhow::{Result, bail};
use oci_spec::image::History;
use serde_json::{Value, json};

use crate::reference::Reference;
use crate::store::Store;
use crate::store::image::Image;
use crate::store::index::name_of;

/// Every image, a line each; `digests`: the whole digest and nothing else.
///
/// # Errors
/// The index can't be read. An image that is damaged has a line that says so.
pub fn list(store: &Store, digests: bool) -> Result<String> {
    let index = store.index()?;
    if digests {
        return Ok(index.manifests().iter().map(|image| format!("{}\n", image.digest())).collect());
    }
    let mut rows = vec![["NAME".to_string(), "DIGEST".into(), "LAYERS".into(), "SIZE".into()]];
    for descriptor in index.manifests() {
        let name = name_of(descriptor).map_or_else(
            || "<none>".into(),
            |name| {
                name.parse()
                    .map_or_else(|_| name.to_string(), |name: Reference| Reference::familiar(&name.full()))
            },
        );
        let digest = descriptor.digest().to_string();
        let short = digest.trim_start_matches("sha256:").chars().take(12).collect();
        rows.push(match store.image_of(descriptor) {
            Ok(image) => [name, short, image.layers.len().to_string(), size(image.size())],
            Err(error) => [name, short, "-".into(), format!("damaged or not for here: {error}")],
        });
    }
    rows[1..].sort();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (name, layers) = (width(0), width(2));
    let mut text = String::new();
    for [a, b, c, d] in &rows {
        let _ = writeln!(text, "{a:name$}  {b:12}  {c:>layers$}  {d}");
    }
    Ok(text)
}

/// What was done for each layer, the newest first, as Docker has it.
#[must_use]
pub fn history(image: &Image) -> String {
    let mut text = String::new();
    let mut layers = image.layers.iter();
    let lines: Vec<(&History, String)> = { image.config.history().iter().flatten() }
        .map(|history| {
            let without = history.empty_layer() == Some(true);
            let layer = if without { None } else { layers.next() };
            (history, layer.map_or_else(|| "no layer".into(), |layer| size(layer.size)))
        })
        .collect();
    for (history, size) in lines.into_iter().rev() {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        let note = word(history.comment());
        let note = if note.is_empty() { note } else { format!("  # {note}") };
        let by = word(history.created_by());
        let by: String = by.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect();
        let _ = writeln!(text, "{:20}  {size:>9}  {by}{note}", word(history.created()));
    }
    text
}

/// The stack of an image, as overlayfs will have it: what is on top hides what is below.
#[must_use]
pub fn stack(store: &Store, image: &Image) -> String {
    const WIDE: usize = 66;
    let line = "─".repeat(WIDE);
    let row = |left: &str, right: &str| {
        let gap = WIDE.saturating_sub(left.chars().count() + right.chars().count() + 2);
        format!("  │ {left}{}{right} │\n", " ".repeat(gap))
    };
    let mut rows = row("upper   each container's own, the only one that is written to", "");
    let mut seen = std::collections::HashSet::new();
    for (n, layer) in image.layers.iter().enumerate().rev() {
        let there = if store.layer_path(&layer.diff_id).is_dir() { "unpacked" } else { "packed" };
        let twice = if seen.insert(layer.diff_id) { "" } else { ", seen above" };
        let left = format!("lower {:<2}diff_id {}", n + 1, layer.diff_id.short());
        let right = format!("{}, {there}{twice}", size(layer.size));
        let _ = write!(rows, "  ├{line}┤\n{}", row(&left, &right));
    }
    format!("      a command sees them from above, as one tree: /\n  ┌{line}┐\n{rows}  └{line}┘\n")
}

/// All that is known, as JSON.
///
/// # Errors
/// None for an image that could be read.
pub fn inspect(image: &Image) -> Result<Value> {
    let config: Value = serde_json::from_slice(&image.config_bytes)?;
    let layer = |layer: &crate::store::image::Layer| {
        json!({
            "Digest": layer.digest.to_string(),
            "DiffId": layer.diff_id.to_string(),
            "Size": layer.size,
            "MediaType": layer.descriptor.media_type().to_string(),
        })
    };
    Ok(json!({
        "Name": image.name,
        "Digest": image.descriptor.digest().to_string(),
        "MediaType": image.descriptor.media_type().to_string(),
        "ConfigDigest": image.manifest.config().digest().to_string(),
        "Created": config.get("created"),
        "Author": config.get("author"),
        "Architecture": config.get("architecture"),
        "Os": config.get("os"),
        "Config": config.get("config"),
        "History": config.get("history"),
        "Layers": image.layers.iter().map(layer).collect::<Vec<_>>(),
        "Size": image.size(),
    }))
}

/// `{{.Config.Cmd}}`, `{{json .Config}}`: each replaced by what is at that place. A small part of Go's templates.
///
/// # Errors
/// A form that isn't known, or a field that isn't there.
pub fn format(template: &str, value: &Value) -> Result<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inside, after)) = after.split_once("}}") else {
            bail!("--format {template:?}: {{{{ without }}}}")
        };
        text.push_str(before);
        let inside = inside.trim();
        let (as_json, path) =
            inside.strip_prefix("json ").map_or((false, inside), |path| (true, path.trim()));
        let Some(path) = path.strip_prefix('.') else {
            bail!("--format {template:?}: known are {{{{.Field.Field}}}} and {{{{json .Field}}}}");
        };
        let mut found = value;
        for key in path.split('.').filter(|key| !key.is_empty()) {
            found = match found.get(key) {
                Some(next) => next,
                None => bail!("--format {template:?}: there is no {key}"),
            };
        }
        match found {
            Value::String(plain) if !as_json => text.push_str(plain),
            other => text.push_str(&other.to_string()),
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// Bytes for people.
#[must_use]
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch04_format_takes_fields_and_json() {
        let value = json!({ "A": { "B": ["x"] }, "C": "text" });
        assert_eq!(
            format("{{.C}}: {{json .A}} {{ .A.B }}", &value).unwrap(),
            "text: {\"B\":[\"x\"]} [\"x\"]"
        );
        for wrong in ["{{.D}}", "{{range .A}}", "{{.C"] {
            assert!(format(wrong, &value).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ch04_sizes_are_for_people() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_500_000), "1.5 MB");
    }
}
