//! Facts in, plan out: machines as they are met, Ubuntu 24.04 first.

use super::*;
use crate::doctor::attempt::Refusal;
use crate::doctor::fix::change::Tools;

/// A machine that lacks nothing.
fn whole() -> Machine {
    Machine {
        who: "ana".into(),
        uid: 1000,
        settings: [None, Some(90_000), None],
        target: "/home/ana/boxroom/target".into(),
        ranges: [Some("ana:100000:65536\n".into()), Some("ana:100000:65536\n".into())],
        ids: vec![0, 1000, 65_534],
        helpers: true,
        sudo: true,
        tools: Tools { usermod: true, sysctl: true },
        own_cgroup: true,
        ..Machine::default()
    }
}

fn refusal(call: &str, errno: Errno) -> Option<Refusal> {
    Some(Refusal { call: call.into(), errno })
}

/// Ubuntu 24.04 as it is installed: the namespace is given, every right in it refused.
fn ubuntu() -> Machine {
    Machine {
        refused: refusal("write", Errno::EPERM),
        settings: [Some(1), Some(62_000), Some(1)],
        parser: true,
        knows_userns: true,
        systemd: true,
        ..whole()
    }
}

fn shown(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.change.shown()).collect()
}

#[test]
fn a_machine_that_lacks_nothing_gets_no_plan() {
    assert_eq!(plan(&whole()), Plan::default());
}

#[test]
fn ubuntu_24_04_gets_a_profile_and_the_switch_only_as_a_last_resort() {
    let plan = plan(&ubuntu());
    let shown = shown(&plan);
    assert!(shown[0].starts_with("the file /etc/apparmor.d/boxroom-"), "{shown:?}");
    assert_eq!(shown[1], "the file /etc/sysctl.d/99-boxroom-apparmor_restrict_unprivileged_userns.conf");
    assert_eq!(shown[2], "kernel.apparmor_restrict_unprivileged_userns=0");
    assert_eq!(plan.steps.iter().map(|step| step.last_resort).collect::<Vec<_>>(), [false, true, true]);
    let Change::File { text, .. } = &plan.steps[0].change else { panic!("{:?}", plan.steps[0]) };
    for needed in ["abi <abi/4.0>,", "\"/home/ana/boxroom/target/**\" flags=(unconfined)", "userns,"] {
        assert!(text.contains(needed), "{text}");
    }
}

#[test]
fn ubuntu_without_apparmors_tools_gets_the_switch_and_is_told_why() {
    let plan = plan(&Machine { parser: false, ..ubuntu() });
    assert_eq!(plan.steps.len(), 2);
    assert!(plan.steps.iter().all(|step| !step.last_resort));
    assert!(plan.yours[0].contains("apparmor_parser"), "{:?}", plan.yours);
}

#[test]
fn ubuntu_where_the_profile_is_loaded_is_left_as_it_is() {
    assert_eq!(plan(&Machine { refused: None, ..ubuntu() }), Plan::default());
}

#[test]
fn debians_switch_and_a_limit_of_none_are_set() {
    let off =
        Machine { refused: refusal("unshare", Errno::EPERM), settings: [Some(0), Some(0), None], ..whole() };
    let shown = shown(&plan(&off));
    assert_eq!(shown[1], "kernel.unprivileged_userns_clone=1");
    assert_eq!(shown[3], "user.max_user_namespaces=15000");
    // A low limit that isn't what was hit is somebody's choice.
    let low = Machine { settings: [None, Some(30), None], ..whole() };
    assert!(plan(&low).steps.is_empty());
    let hit = Machine { refused: refusal("unshare", Errno::ENOSPC), ..low };
    assert_eq!(
        plan(&hit).steps[1].change,
        Change::Setting { name: SETTINGS[1].into(), from: 30, to: 15_000 }
    );
}

#[test]
fn a_refusal_without_a_switch_is_said_and_nothing_is_changed() {
    let plan = plan(&Machine { refused: refusal("unshare", Errno::EPERM), ..whole() });
    assert!(plan.steps.is_empty());
    assert!(plan.yours[0].contains("unshare says EPERM"), "{:?}", plan.yours);
}

#[test]
fn only_the_file_without_a_range_gets_one_and_nobody_elses_ids() {
    let machine = Machine {
        ranges: [Some("bob:100000:65536\n1000:300000:65536\n".into()), Some("bob:100000:65536\n".into())],
        // A directory service's user, in the middle of what would be next.
        ids: vec![0, 1000, 170_000],
        ..whole()
    };
    let plan = plan(&machine);
    assert_eq!(shown(&plan), ["the line ana:170001:65536 in /etc/subgid"]);
}

#[test]
fn no_files_at_all_means_a_range_in_both_and_root_needs_none() {
    let bare = Machine { ranges: [None, None], ..whole() };
    assert_eq!(
        shown(&plan(&bare)),
        ["the line ana:100000:65536 in /etc/subuid", "the line ana:100000:65536 in /etc/subgid"]
    );
    assert!(plan(&Machine { root: true, ..bare }).steps.is_empty());
}

#[test]
fn where_no_ids_are_left_none_are_given() {
    let full = Machine { ranges: [Some(format!("bob:100000:{}\n", u32::MAX - 100_000)), None], ..whole() };
    let plan = plan(&full);
    assert!(plan.steps.is_empty() && plan.yours[0].contains("no 65536 ids"), "{plan:?}");
}

#[test]
fn a_file_of_another_text_is_left_alone() {
    let place = profile::path(&ubuntu().target);
    let plan = plan(&Machine { files: [(place, "mine".into())].into(), ..ubuntu() });
    assert!(plan.yours[0].contains("another text"), "{:?}", plan.yours);
    // Then the switch is all that is left.
    assert!(plan.steps.iter().all(|step| !step.last_resort), "{:?}", plan.steps);
}

#[test]
fn a_scope_is_said_and_the_controllers_are_handed_over_for_good() {
    let machine = Machine { systemd: true, own_cgroup: false, undelegated: vec!["cpu", "io"], ..whole() };
    let early = plan(&machine);
    assert!(early.steps.is_empty(), "the chapter isn't here: {early:?}");
    assert!(early.yours[0].contains("systemd-run --user --scope -p Delegate=yes"), "{:?}", early.yours);
    let taught = plan(&Machine { limits_are_taught: true, ..machine });
    assert_eq!(shown(&taught), ["the file /etc/systemd/system/user@.service.d/boxroom.conf"]);
}

#[test]
fn ids_that_were_given_out_since_are_noticed() {
    let range = Change::Range { file: "/etc/subuid".into(), who: "ana".into(), first: 100_000, count: COUNT };
    assert_eq!(taken(&range, "eve:165535:2\n").as_deref(), Some("eve:165535:2"));
    assert_eq!(taken(&range, "eve:165536:65536\nbob:99999:1\n"), None);
}
