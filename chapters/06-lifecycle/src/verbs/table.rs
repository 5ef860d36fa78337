//! Columns, `--format` and `--filter`, as Docker has them.

use anyhow::{Result, bail};
use ch04_images::show;
use serde_json::{Value, json};

/// Rows below a head, each column as wide as it has to be.
#[must_use]
pub fn columns(rows: &[Vec<String>]) -> String {
    const GAP: usize = 3;
    let count = rows.first().map_or(0, Vec::len);
    let width = |n: usize| {
        rows.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + GAP));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Rows as the user wants them: `json`, `table {{.ID}}\t{{.Names}}`, or a template for each. `head` has the name of each
/// field with what stands above its column.
///
/// # Errors
/// A template that can't be understood, or a field that there isn't.
pub fn formatted(template: &str, rows: &[Value], head: &[(&str, &str)]) -> Result<String> {
    if template == "json" {
        return Ok(rows.iter().map(|row| format!("{row}\n")).collect());
    }
    let template = template.replace("\\t", "\t").replace("\\n", "\n");
    let Some(columns_of) = template.strip_prefix("table ") else {
        return rows.iter().map(|row| show::format(&template, row).map(|line| line + "\n")).collect();
    };
    let names: serde_json::Map<String, Value> =
        head.iter().map(|(key, name)| ((*key).into(), json!(name))).collect();
    let cells = |value: &Value| -> Result<Vec<String>> {
        Ok(show::format(columns_of, value)?.split('\t').map(Into::into).collect())
    };
    let mut table = vec![cells(&names.into())?];
    for row in rows {
        table.push(cells(row)?);
    }
    Ok(columns(&table))
}

/// `KEY=VALUE`, of which any of one key and all of the keys must hold.
#[derive(Debug, Default)]
pub struct Filters(Vec<(String, String)>);

impl Filters {
    /// The filters of a command line.
    ///
    /// # Errors
    /// One without `=`, or with a key that isn't `known`.
    pub fn read(words: &[String], known: &[&str]) -> Result<Self> {
        let read = |word: &String| match word.split_once('=') {
            Some((key, value)) if known.contains(&key) => Ok((key.to_string(), value.to_string())),
            Some((key, _)) => bail!("invalid filter '{key}'; known are {}", known.join(", ")),
            None => {
                bail!("invalid argument \"{word}\" for --filter: bad format of filter (expected name=value)")
            }
        };
        words.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Whether something passes; `holds` says so of one filter.
    pub fn pass(&self, holds: impl Fn(&str, &str) -> bool) -> bool {
        self.0.iter().all(|(key, value)| {
            // Each label narrows; of everything else one is enough.
            let others = self.0.iter().filter(|(other, _)| other == key && key != "label");
            holds(key, value) || others.into_iter().any(|(key, value)| holds(key, value))
        })
    }

    /// Whether there is a filter of this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(own, _)| own == key)
    }
}

/// Whether labels have `KEY` or `KEY=VALUE`.
#[must_use]
pub fn labelled(labels: &std::collections::BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|own| own == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch06_columns_are_as_wide_as_they_have_to_be() {
        let rows = [vec!["ID".into(), "NAME".into()], vec!["longer".into(), "x".into()]];
        assert_eq!(columns(&rows), "ID       NAME\nlonger   x\n");
    }

    #[test]
    fn ch06_a_table_has_a_head_and_a_template_has_none() {
        let (rows, head) =
            ([json!({ "ID": "1", "Names": "web" })], [("ID", "CONTAINER ID"), ("Names", "NAMES")]);
        assert_eq!(formatted("{{.ID}} {{.Names}}", &rows, &head).unwrap(), "1 web\n");
        let table = formatted("table {{.ID}}\\t{{.Names}}", &rows, &head).unwrap();
        assert_eq!(table, "CONTAINER ID   NAMES\n1              web\n");
        assert_eq!(formatted("json", &rows, &head).unwrap(), "{\"ID\":\"1\",\"Names\":\"web\"}\n");
        assert!(formatted("{{.Nothing}}", &rows, &head).is_err());
    }

    #[test]
    fn ch06_filters_narrow_by_key_and_widen_within_it() {
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let filters =
            Filters::read(&words(&["name=a", "name=b", "status=running"]), &["name", "status"]).unwrap();
        let pass = |name: &str, status: &str| {
            filters.pass(|key, value| value == if key == "name" { name } else { status })
        };
        assert!(pass("a", "running") && pass("b", "running"));
        assert!(!pass("c", "running") && !pass("a", "exited"));
        assert!(Filters::read(&words(&["nonsense=1"]), &["name"]).is_err());
        assert!(Filters::read(&words(&["name"]), &["name"]).is_err());
    }
}
