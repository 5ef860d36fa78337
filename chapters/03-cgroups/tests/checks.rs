//! What chapter 03 must show: a limit for everything that a container could take, and a group that comes and goes.

#[path = "checks/groups.rs"]
mod groups;
#[path = "checks/limits.rs"]
mod limits;
#[path = "checks/refusals.rs"]
mod refusals;

use std::process::ExitCode;

use checks::need::Need;
use checks::table::{Check, Table};

fn main() -> ExitCode {
    Table { chapter: "03-cgroups", folder: env!("CARGO_MANIFEST_DIR"), checks: CHECKS }.main()
}

/// An ordinary user needs a user namespace for the room, and a group that was given to them.
const GROUP: &[Need] = &[Need::Cgroup, Need::UserNamespace];
/// A group has to be put on the host to be seen.
const ROOT: &[Need] = &[Need::Root, Need::Cgroup];
const VERSION1: &[Need] = &[Need::Cgroup1, Need::UserNamespace];
const VERSION2: &[Need] = &[Need::Root, Need::Cgroup2];
const USER: &[Need] = &[Need::User, Need::UserNamespace];

const CHECKS: &[Check] = &[
    // It watches for two seconds: begun first, the others fit beside it.
    Check { name: "ch03_processor_share_is_the_quota", new: true, needs: GROUP, run: limits::processor },
    Check {
        name: "ch03_memory_hog_is_killed_and_the_reason_named",
        new: true,
        needs: GROUP,
        run: limits::memory,
    },
    Check { name: "ch03_swap_is_closed", new: true, needs: GROUP, run: limits::swap },
    Check {
        name: "ch03_fork_bomb_stops_and_the_host_forks_on",
        new: true,
        needs: GROUP,
        run: limits::processes,
    },
    Check { name: "ch03_limits_stand_before_the_command", new: true, needs: GROUP, run: limits::before },
    Check { name: "ch03_a_cpuset_holds", new: false, needs: ROOT, run: limits::cpuset },
    Check { name: "ch03_grandchild_is_inside", new: true, needs: GROUP, run: groups::grandchild },
    Check {
        name: "ch03_inside_the_group_is_the_root",
        new: true,
        needs: GROUP,
        run: groups::root_of_its_view,
    },
    Check { name: "ch03_group_is_gone_afterwards", new: true, needs: GROUP, run: groups::gone },
    Check { name: "ch03_nothing_survives_the_group", new: true, needs: GROUP, run: groups::survivors },
    Check {
        name: "ch03_clean_removes_the_group_of_a_killed_parent",
        new: true,
        needs: GROUP,
        run: groups::clean,
    },
    Check { name: "ch03_groups_of_the_host_are_unseen", new: true, needs: ROOT, run: groups::unseen },
    Check { name: "ch03_release_agent_is_out_of_reach", new: true, needs: ROOT, run: groups::release_agent },
    Check {
        name: "ch03_version_1_refuses_what_it_has_not",
        new: false,
        needs: VERSION1,
        run: refusals::version_1,
    },
    Check {
        name: "ch03_a_populated_parent_is_refused",
        new: false,
        needs: VERSION2,
        run: refusals::populated,
    },
    Check { name: "ch03_no_group_no_limit_is_refused", new: false, needs: USER, run: refusals::not_given },
    Check {
        name: "ch03_another_group_of_the_name_is_left_alone",
        new: false,
        needs: ROOT,
        run: refusals::taken,
    },
    Check { name: "ch03_exit_codes_stay_dockers", new: false, needs: GROUP, run: refusals::codes },
];
