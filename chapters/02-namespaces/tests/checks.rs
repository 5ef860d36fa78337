//! What chapter 02 must show: a room of its own, for everything that namespaces keep apart.

#[path = "checks/belongings.rs"]
mod belongings;
#[path = "checks/endings.rs"]
mod endings;
#[path = "checks/mounts.rs"]
mod mounts;
#[path = "checks/names.rs"]
mod names;

use std::process::ExitCode;

use checks::need::Need;
use checks::table::{Check, Table};

fn main() -> ExitCode {
    Table { chapter: "02-namespaces", folder: env!("CARGO_MANIFEST_DIR"), checks: CHECKS }.main()
}

/// An ordinary user needs a user namespace for all the others.
const ROOM: &[Need] = &[Need::UserNamespace];
/// The host must be able to mount, to see what arrives and leaves.
const ROOT: &[Need] = &[Need::Root];
const USER: &[Need] = &[Need::User, Need::UserNamespace];

const CHECKS: &[Check] = &[
    Check { name: "ch02_hostname_is_its_own", new: true, needs: ROOM, run: names::hostname },
    Check { name: "ch02_host_processes_are_unseen", new: true, needs: ROOM, run: names::processes },
    Check { name: "ch02_network_is_its_own", new: true, needs: ROOM, run: names::network },
    Check { name: "ch02_loopback_is_up", new: true, needs: ROOM, run: names::loopback },
    Check { name: "ch02_shared_memory_and_queues_are_its_own", new: true, needs: ROOM, run: names::ipc },
    Check { name: "ch02_cgroup_path_tells_nothing", new: true, needs: ROOM, run: names::cgroup },
    Check { name: "ch02_only_these_namespaces", new: false, needs: ROOM, run: names::only },
    Check { name: "ch02_booted_ten_years_ago", new: false, needs: ROOM, run: names::boottime },
    Check { name: "ch02_mounts_stay_inside", new: true, needs: ROOT, run: mounts::leave },
    Check { name: "ch02_mounts_of_the_host_stay_outside", new: true, needs: ROOT, run: mounts::arrive },
    Check { name: "ch02_only_mnt_keeps_mounts_inside", new: false, needs: ROOT, run: mounts::only_mnt },
    Check { name: "ch02_propagation_is_cut", new: true, needs: ROOM, run: mounts::propagation },
    Check { name: "ch02_old_root_is_gone", new: true, needs: ROOM, run: mounts::old_root },
    Check { name: "ch02_no_second_chroot_breaks_out", new: true, needs: ROOM, run: mounts::escape },
    Check { name: "ch02_proc_is_its_own", new: true, needs: ROOM, run: mounts::proc },
    Check { name: "ch02_sys_is_read_only", new: true, needs: ROOT, run: mounts::sys },
    Check { name: "ch02_descriptors_are_closed", new: true, needs: ROOM, run: belongings::descriptors },
    Check { name: "ch02_environment_is_its_own", new: true, needs: ROOM, run: belongings::environment },
    Check { name: "ch02_keyring_is_its_own", new: true, needs: ROOM, run: belongings::keyring },
    Check { name: "ch02_groups_are_given_up", new: true, needs: ROOT, run: belongings::groups },
    Check { name: "ch02_user_is_the_one_named", new: true, needs: ROOT, run: belongings::user },
    Check { name: "ch02_root_inside_is_the_caller_outside", new: false, needs: USER, run: belongings::owner },
    Check {
        name: "ch02_root_of_a_user_namespace_is_nobody",
        new: true,
        needs: ROOT,
        run: belongings::mapped_root,
    },
    Check { name: "ch02_init_reaps_orphans", new: false, needs: ROOM, run: endings::init },
    Check {
        name: "ch02_init_shows_nothing_of_the_host",
        new: false,
        needs: ROOM,
        run: belongings::init_shows_nothing,
    },
    Check { name: "ch02_nothing_survives_a_killed_parent", new: true, needs: ROOM, run: endings::killed },
    Check { name: "ch02_exit_codes_stay_dockers", new: false, needs: ROOM, run: endings::codes },
    Check { name: "ch02_command_is_reaped", new: false, needs: ROOM, run: checks::drive::no_zombie },
];
