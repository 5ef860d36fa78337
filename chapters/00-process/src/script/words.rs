//! The words of a call as it is told, and those of the programs that do the same.

/// A namespace's flag, and unshare(1)'s word for it.
pub(super) const NAMESPACES: [(&str, &str); 8] = [
    ("CLONE_NEWUSER", "--user"),
    ("CLONE_NEWNS", "--mount"),
    ("CLONE_NEWPID", "--pid"),
    ("CLONE_NEWUTS", "--uts"),
    ("CLONE_NEWIPC", "--ipc"),
    ("CLONE_NEWNET", "--net"),
    ("CLONE_NEWCGROUP", "--cgroup"),
    ("CLONE_NEWTIME", "--time"),
];

/// A range of ids that is lent by newuidmap or newgidmap, in the words of unshare(1): what lies outside, inside, how many.
pub(super) fn lent(call: &str) -> Option<Vec<String>> {
    let words: Vec<&str> = call.split(' ').collect();
    let [program, _, "0", _, "1", "1", start, count] = words[..] else { return None };
    match program {
        "newuidmap" => Some(vec!["--map-root-user".into(), format!("--map-users={start},1,{count}")]),
        "newgidmap" => Some(vec![format!("--map-groups={start},1,{count}")]),
        _ => None,
    }
}

/// The name of a call, and its arguments: separated by commas, but not within quotes or brackets.
pub(super) fn arguments(call: &str) -> (&str, Vec<String>) {
    let Some((name, rest)) = call.split_once('(') else { return (call, Vec::new()) };
    let rest = rest.strip_suffix(')').unwrap_or(rest);
    let (mut found, mut one) = (Vec::new(), String::new());
    let (mut depth, mut within, mut escaped) = (0, false, false);
    for letter in rest.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if within => escaped = true,
            '"' => within = !within,
            '(' | '[' | '{' if !within => depth += 1,
            ')' | ']' | '}' if !within => depth -= 1,
            ',' if !within && depth == 0 => {
                found.push(std::mem::take(&mut one).trim().to_string());
                continue;
            }
            _ => {}
        }
        one.push(letter);
    }
    found.push(one.trim().to_string());
    (name, found)
}

/// What is between the quotes.
pub(super) fn text(word: &str) -> String {
    serde_json::from_str(word).unwrap_or_else(|_| word.trim_matches('"').to_string())
}

/// As the shell takes it, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The words of mount(8) for a file system that was made by fsopen, fsconfig and fsmount.
pub(super) fn of_mount(kind: &str, options: Vec<String>, attributes: &str) -> String {
    let (lowers, mut others): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|one| one.starts_with("lowerdir+="));
    if !lowers.is_empty() {
        let lowers: Vec<_> = lowers.iter().map(|one| one.trim_start_matches("lowerdir+=")).collect();
        others.insert(0, format!("lowerdir={}", lowers.join(":")));
    }
    for (attribute, word) in [
        ("MOUNT_ATTR_RDONLY", "ro"),
        ("MOUNT_ATTR_NOSUID", "nosuid"),
        ("MOUNT_ATTR_NODEV", "nodev"),
        ("MOUNT_ATTR_NOEXEC", "noexec"),
    ] {
        if attributes.contains(attribute) && !others.iter().any(|other| other == word) {
            others.push(word.into());
        }
    }
    let options = if others.is_empty() { String::new() } else { format!(" -o \"{}\"", others.join(",")) };
    format!("-t {kind}{options} {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ch00_a_call_is_taken_apart() {
        let (name, words) = arguments(r#"mknodat(13, "a, (b\"", S_IFCHR|0666, makedev(1, 3))"#);
        assert_eq!(name, "mknodat");
        assert_eq!(words, ["13", r#""a, (b\"""#, "S_IFCHR|0666", "makedev(1, 3)"]);
        assert_eq!(text(&words[1]), "a, (b\"");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("/srv/a-b"), "/srv/a-b");
    }

    #[test]
    fn ch00_a_lent_range_in_the_words_of_unshare() {
        let words = lent("newuidmap 77 0 1000 1 1 100000 65536").unwrap();
        assert_eq!(words, ["--map-root-user", "--map-users=100000,1,65536"]);
        assert_eq!(lent("mkdir(\"/a\", 0755)"), None);
    }

    #[test]
    fn ch00_a_file_system_in_the_words_of_mount() {
        let options = vec!["lowerdir+=/l/b".to_string(), "lowerdir+=/l/a".into(), "volatile".into()];
        assert_eq!(
            of_mount("overlay", options, "0"),
            r#"-t overlay -o "lowerdir=/l/b:/l/a,volatile" overlay"#
        );
        assert_eq!(
            of_mount("proc", vec![], "MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV"),
            r#"-t proc -o "nosuid,nodev" proc"#
        );
        assert_eq!(of_mount("sysfs", vec!["ro".into()], "MOUNT_ATTR_RDONLY"), r#"-t sysfs -o "ro" sysfs"#);
    }
}
