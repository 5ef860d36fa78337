//! Reading the house: its files, and Rust source with what isn't code blanked out.

use std::fs;
use std::path::Path;

/// One file, by its path in the repository.
pub(crate) struct File {
    /// `chapters/00-process/src/lib.rs`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// The same length and lines, but comments and the insides of strings are spaces.
    pub(crate) code: String,
    /// The same, but only comments are left.
    pub(crate) comments: String,
}

/// The repository, or one that a test made up.
pub(crate) struct House {
    /// Every text file.
    pub(crate) files: Vec<File>,
}

impl House {
    /// Reads the files below `root`, without what is built, borrowed or the learner's own.
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        walk(root, root, &mut files);
        files.sort();
        Self { files: files.into_iter().map(|(path, text)| File::new(path, text)).collect() }
    }

    /// A small one for a test.
    pub(crate) fn made_up(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new((*path).into(), (*text).into())).collect() }
    }

    /// The Rust sources.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The manifests of the packages, each with its folder (`""` for the root's).
    pub(crate) fn packages(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files
            .iter()
            .filter_map(|file| Some((file.path.strip_suffix("Cargo.toml")?.trim_end_matches('/'), file)))
            // What is a workspace of its own (fuzz/) is built by its own rules: the fuzzer's, on a compiler of its own.
            .filter(|(folder, file)| {
                folder.is_empty() || !file.text.lines().any(|line| line == "[workspace]")
            })
    }

    /// The file at `path`.
    pub(crate) fn at(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    fn new(path: String, text: String) -> Self {
        let (code, comments) =
            if path.ends_with(".rs") { split(&text) } else { (text.clone(), text.clone()) };
        Self { path, text, code, comments }
    }

    /// The last part of the path without its ending: `lib`.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split_once('.').map_or(name, |(stem, _)| stem)
    }

    /// `path:line: what`, a place that an editor jumps to.
    pub(crate) fn says(&self, line: usize, what: impl AsRef<str>) -> String {
        format!("{}:{line}: {}", self.path, what.as_ref())
    }

    /// The lines of code up to the unit tests at the end of the file, numbered from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .enumerate()
            .map(|(n, line)| (n + 1, line))
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let path_in_house = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        if path.is_dir() && !path.is_symlink() {
            let skipped = matches!(&*name.to_string_lossy(), ".git" | "target" | "exercises");
            if !skipped && path_in_house != "book/book" {
                walk(root, &path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path_in_house, text));
        }
    }
}

/// Whether `word` stands in `line` as a word of its own.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

/// Code and comments apart, each with the other's characters as spaces, so that lines stay the same.
pub(crate) fn split(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut at = 0;
    while at < chars.len() {
        let (end, kind) = next(&chars, at);
        for c in &chars[at..end] {
            let blank = if *c == '\n' { '\n' } else { ' ' };
            code.push(if kind == Kind::Code { *c } else { blank });
            comments.push(if kind == Kind::Comment { *c } else { blank });
        }
        at = end;
    }
    (code, comments)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// Where the piece that begins at `at` ends, and what it is.
fn next(chars: &[char], at: usize) -> (usize, Kind) {
    let starts = |what: &str| what.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let after_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if starts("//") {
        let end = chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n);
        return (end, Kind::Comment);
    }
    if starts("/*") {
        return (block(chars, at), Kind::Comment);
    }
    if !after_word
        && (starts("r\"") || starts("r#\"") || starts("r##\"") || starts("br\"") || starts("br#\""))
    {
        return (raw(chars, at), Kind::Text);
    }
    match chars[at] {
        '"' => (quoted(chars, at, '"'), Kind::Text),
        // 'a is a lifetime, 'a' and '\n' are characters.
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
            (quoted(chars, at, '\''), Kind::Text)
        }
        _ => (at + 1, Kind::Code),
    }
}

fn quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < chars.len() {
        match chars[end] {
            '\\' => end += 2,
            c if c == quote => return end + 1,
            _ => end += 1,
        }
    }
    chars.len()
}

fn raw(chars: &[char], at: usize) -> usize {
    let open = at + chars[at..].iter().position(|c| *c == '"').unwrap_or(0);
    let hashes = chars[at..open].iter().filter(|c| **c == '#').count();
    (open + 1..chars.len())
        .find(|end| {
            chars[*end] == '"' && chars[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes
        })
        .map_or(chars.len(), |end| end + 1 + hashes)
}

fn block(chars: &[char], at: usize) -> usize {
    let (mut end, mut depth) = (at + 2, 1);
    while end < chars.len() && depth > 0 {
        match (chars[end], chars.get(end + 1)) {
            ('/', Some('*')) => (end, depth) = (end + 2, depth + 1),
            ('*', Some('/')) => (end, depth) = (end + 2, depth - 1),
            _ => end += 1,
        }
    }
    end.min(chars.len())
}

#[test]
fn house_source_tells_code_from_comments_and_strings() {
    let source =
        "let a = \"// no\"; // yes\nlet c = '\"'; /* x /* y */ z */ fn f<'a>() { r#\"raw \" unsafe\"#; }";
    let (code, comments) = split(source);
    assert!(code.contains("let a =") && code.contains("fn f<'a>()"), "{code}");
    assert!(
        !code.contains("no") && !code.contains("yes") && !code.contains('z') && !code.contains("unsafe"),
        "{code}"
    );
    assert!(
        comments.contains("// yes") && comments.contains("z */") && !comments.contains("no"),
        "{comments}"
    );
    assert_eq!(code.lines().count(), source.lines().count());
}

#[test]
fn house_source_finds_whole_words_only() {
    assert!(has_word("pub unsafe fn", "unsafe"));
    assert!(!has_word("unsafe_code = deny", "unsafe"));
}
