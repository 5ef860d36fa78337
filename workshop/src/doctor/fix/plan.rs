//! From facts to a plan: what would be changed, in which order, and why. Nothing is read or run here.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::change::{Change, Purpose, RANGE_FILES, SETTINGS};
use super::machine::Machine;
use super::profile;

/// What would be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub steps: Vec<Step>,
    /// What a person has to do, or to know: `--fix` can't, or shouldn't.
    pub yours: Vec<String>,
}

/// One step of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Why, in a sentence or two.
    pub why: String,
    /// What.
    pub change: Change,
    /// Whether it is made only where user namespaces are refused still when its turn comes.
    pub last_resort: bool,
}

/// How many ids an image may ask for.
const COUNT: u32 = 65_536;

/// Where useradd begins to give out ranges.
const FIRST: u32 = 100_000;

/// Enough namespaces for every check at once, and still a limit.
const MANY: u64 = 15_000;

/// Everything that could be changed, and what is left to the person.
#[must_use]
pub fn plan(machine: &Machine) -> Plan {
    let mut plan = Plan::default();
    profiles(machine, &mut plan);
    ranges(machine, &mut plan);
    cgroups(machine, &mut plan);
    // The switches come last: they open the door for every program of the machine, not only for ours.
    switches(machine, &mut plan);
    plan
}

/// The files that a plan may write, wherever one is already.
#[must_use]
pub fn places(target: &Path) -> Vec<PathBuf> {
    let mut places = vec![profile::path(target), delegate_file()];
    places.extend(SETTINGS.map(setting_file));
    places
}

fn profiles(machine: &Machine, plan: &mut Plan) {
    if machine.refused.is_none() || !restricted(machine) {
        return;
    }
    if machine.parser && machine.knows_userns && profile::can_name(&machine.target) {
        let why = format!(
            "AppArmor gives an ordinary user's namespace no right at all, unless a profile allows it. This one allows \
             it to the programs below {}, and confines nothing. Whoever can write there can use it too.",
            machine.target.display()
        );
        let (path, text) = (profile::path(&machine.target), profile::text(&machine.target));
        file(machine, plan, why, (Purpose::Profile, path, text), false);
    } else {
        plan.yours.push(
            "AppArmor restricts user namespaces, and a profile for this checkout can't be loaded \
             (apparmor_parser with abi/4.0 isn't here, or the target folder's path is not one line of text): so the switch for the whole machine is what is left"
                .into(),
        );
    }
}

fn ranges(machine: &Machine, plan: &mut Plan) {
    if machine.root {
        return;
    }
    let lack: Vec<usize> = (0..2).filter(|n| !has_range(machine, *n)).collect();
    if !machine.helpers {
        plan.yours.push(format!(
            "newuidmap and newgidmap map a range of ids, and are not here: {}",
            machine.install_helpers
        ));
    }
    if lack.is_empty() {
        return;
    }
    let Some(first) = free(machine) else {
        plan.yours.push("no 65536 ids in a row are free for a range: see /etc/subuid, subuid(5)".into());
        return;
    };
    for n in lack {
        let (of, inside) = [("users", "uid"), ("groups", "gid")][n];
        plan.steps.push(Step {
            why: format!(
                "{} lends {} no {of}: a container of yours has one {inside} and can hold no file of another. Ids {first} to \
                 {} belong to nobody here.",
                RANGE_FILES[n],
                machine.who,
                first + (COUNT - 1)
            ),
            change: Change::Range {
                file: RANGE_FILES[n].into(),
                who: machine.who.clone(),
                first,
                count: COUNT,
            },
            last_resort: false,
        });
    }
}

fn cgroups(machine: &Machine, plan: &mut Plan) {
    if machine.root || !machine.systemd {
        return;
    }
    if machine.limits_are_taught && !machine.undelegated.is_empty() {
        let why = format!(
            "systemd keeps these controllers from your own manager: {}. Limits of a container of yours need them. \
             It counts from your next login on.",
            machine.undelegated.join(", ")
        );
        let text = "# Made by boxroom: cargo workshop doctor --undo takes it back.\n\
                    [Service]\nDelegate=cpu io memory pids\n";
        file(machine, plan, why, (Purpose::Delegate, delegate_file(), text.into()), false);
    }
    if !machine.own_cgroup {
        plan.yours.push(
            "this terminal's cgroup is not yours, so an ordinary user's container has no limits; a scope ends with its \
             shell, so it can't be set up once for all. For a shell in one of your own: \
             systemd-run --user --scope -p Delegate=yes $SHELL"
                .into(),
        );
    }
}

fn switches(machine: &Machine, plan: &mut Plan) {
    let Some(refusal) = &machine.refused else { return };
    let [unprivileged, most, _] = machine.settings;
    let before = plan.steps.len();
    if unprivileged == Some(0) {
        let why = "An ordinary user may make no user namespace on this machine; the kernel of most distributions allows it.";
        switch(machine, plan, (0, 0, 1), why, false);
    }
    if let Some(value) = most.filter(|value| *value < MANY && (*value == 0 || refusal.errno == Errno::ENOSPC))
    {
        let why =
            format!("No more than {value} user namespaces may be there at once; {MANY} is still a limit.");
        switch(machine, plan, (1, value, MANY), &why, false);
    }
    if let Some(value) = machine.settings[2].filter(|value| *value != 0) {
        let by_profile = plan.steps.iter().any(|step| is_profile(&step.change));
        let why = "AppArmor restricts the user namespaces of ALL programs without a profile; this lifts it for all of them, \
                   so take it back (--undo) after the workshop.";
        switch(machine, plan, (2, value, 0), why, by_profile);
    } else if plan.steps.len() == before {
        plan.yours.push(format!(
            "an ordinary user gets no user namespace ({refusal}), and no switch is to blame that --fix knows: a seccomp \
             filter of a container around us, SELinux, or a kernel without them; cargo workshop doctor says more"
        ));
    }
}

/// Sets one now, and at each boot.
fn switch(
    machine: &Machine,
    plan: &mut Plan,
    (n, from, to): (usize, u64, u64),
    why: &str,
    last_resort: bool,
) {
    let name = SETTINGS[n];
    let text = format!(
        "# Made by boxroom: cargo workshop doctor --undo takes it back.\n{} = {to}\n",
        name.replace('/', ".")
    );
    let again = format!("The same at each boot. {why}");
    file(machine, plan, again, (Purpose::Setting, setting_file(name), text), last_resort);
    let change = Change::Setting { name: name.into(), from, to };
    plan.steps.push(Step { why: format!("Until the next boot. {why}"), change, last_resort });
}

/// A file of ours, unless something else has its name.
fn file(
    machine: &Machine,
    plan: &mut Plan,
    why: String,
    (purpose, path, text): (Purpose, PathBuf, String),
    last_resort: bool,
) {
    if machine.files.get(&path).is_some_and(|there| *there != text) {
        plan.yours.push(format!(
            "{} is there with another text, and is left alone; move it away, and --fix writes its own",
            path.display()
        ));
        return;
    }
    plan.steps.push(Step { why, change: Change::File { purpose, path, text }, last_resort });
}

fn restricted(machine: &Machine) -> bool {
    machine.settings[2].is_some_and(|value| value != 0)
}

fn is_profile(change: &Change) -> bool {
    matches!(change, Change::File { purpose: Purpose::Profile, .. })
}

fn delegate_file() -> PathBuf {
    Path::new(Purpose::Delegate.home().0).join("boxroom.conf")
}

fn setting_file(name: &str) -> PathBuf {
    let (folder, begin) = Purpose::Setting.home();
    Path::new(folder).join(format!("{begin}{}.conf", name.rsplit('/').next().unwrap_or(name)))
}

fn has_range(machine: &Machine, n: usize) -> bool {
    let text = machine.ranges[n].as_deref().unwrap_or_default();
    entries(text).any(|(who, ..)| who == machine.who || who.parse() == Ok(machine.uid))
}

fn entries(text: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        Some((fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// The line of `now` that has given some of a range's ids to somebody since it was planned.
#[must_use]
pub fn taken(change: &Change, now: &str) -> Option<String> {
    let Change::Range { first, count, .. } = change else { return None };
    let end = |first: u32, count: u32| u64::from(first) + u64::from(count);
    entries(now)
        .find(|(_, begin, many)| {
            u64::from(*begin) < end(*first, *count) && u64::from(*first) < end(*begin, *many)
        })
        .map(|(who, begin, many)| format!("{who}:{begin}:{many}"))
}

/// The first id of [`COUNT`] in a row that no range has and no user or group of this machine is.
fn free(machine: &Machine) -> Option<u32> {
    let given = machine.ranges.iter().flatten().flat_map(|text| entries(text));
    let mut taken: Vec<(u32, u32)> = given.map(|(_, first, count)| (first, count)).collect();
    taken.extend(machine.ids.iter().map(|id| (*id, 1)));
    taken.sort_unstable();
    let mut first = FIRST;
    for (begin, count) in taken {
        if u64::from(begin) >= u64::from(first) + u64::from(COUNT) {
            break;
        }
        first = first.max(begin.checked_add(count)?);
    }
    // The last number is no id: it means `none` to many calls.
    first.checked_add(COUNT).map(|_| first)
}

#[cfg(test)]
mod tests;
