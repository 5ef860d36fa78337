//! What chapter 06 must show: a container outlives who started it, and what is told of it is true; who goes into one that
//! runs is in it, and leaves nothing of the host's there.

#[path = "checks/crash.rs"]
mod crash;
#[path = "checks/exec.rs"]
mod exec;
#[path = "checks/full_disk.rs"]
mod full_disk;
#[path = "checks/keyboard.rs"]
mod keyboard;
#[path = "checks/life.rs"]
mod life;
#[path = "checks/lodge.rs"]
mod lodge;
#[path = "checks/many.rs"]
mod many;
#[path = "checks/no_devpts.rs"]
mod no_devpts;
#[path = "checks/plug.rs"]
mod plug;
#[path = "checks/prune.rs"]
mod prune;
#[path = "checks/talk.rs"]
mod talk;

use std::process::ExitCode;

use checks::need::Need;
use checks::table::{Check, Table};

fn main() -> ExitCode {
    Table { chapter: "06-lifecycle", folder: env!("CARGO_MANIFEST_DIR"), checks: CHECKS }.main()
}

/// An ordinary user needs a user namespace for all of it.
const ROOM: &[Need] = &[Need::UserNamespace];
/// And a group of one's own.
const GROUP: &[Need] = &[Need::UserNamespace, Need::Cgroup];

/// Root, who may mount a small file system.
const DISK: &[Need] = &[Need::Root];

const CHECKS: &[Check] = &[
    Check { name: "ch06_only_legal_moves_are_made", new: true, needs: GROUP, run: life::moves },
    Check { name: "ch06_a_container_outlives_its_terminal", new: true, needs: ROOM, run: life::outlives },
    Check { name: "ch06_a_monitor_keeps_nobody_waiting", new: false, needs: ROOM, run: life::lets_go },
    Check { name: "ch06_stop_asks_and_then_kills", new: true, needs: ROOM, run: life::stop },
    Check { name: "ch06_a_stopped_container_is_not_gone", new: true, needs: ROOM, run: life::again },
    Check { name: "ch06_paused_stands_still", new: true, needs: GROUP, run: life::still },
    Check { name: "ch06_the_policy_starts_it_again", new: true, needs: ROOM, run: life::restarts },
    Check { name: "ch06_the_environment_is_its_own", new: false, needs: ROOM, run: life::environment },
    Check { name: "ch06_removed_leaves_nothing", new: true, needs: ROOM, run: life::nothing_left },
    Check { name: "ch06_prune_takes_what_nobody_needs", new: false, needs: ROOM, run: prune::takes },
    Check { name: "ch06_a_killed_monitor_is_no_lie", new: true, needs: ROOM, run: crash::monitor_killed },
    Check { name: "ch06_a_restarted_machine_is_no_lie", new: true, needs: ROOM, run: crash::rebooted },
    Check { name: "ch06_a_damaged_state_is_no_lie", new: true, needs: ROOM, run: crash::damaged },
    Check { name: "ch06_who_is_frozen_can_be_ended", new: false, needs: GROUP, run: crash::frozen },
    Check { name: "ch06_a_number_that_is_given_again_is_nobody", new: true, needs: ROOM, run: crash::reused },
    Check { name: "ch06_what_it_said_is_kept", new: true, needs: ROOM, run: talk::logs },
    Check { name: "ch06_the_log_fills_no_disk", new: false, needs: ROOM, run: talk::rotated },
    Check { name: "ch06_a_full_disk_stops_nobody", new: false, needs: DISK, run: full_disk::full },
    Check { name: "ch06_names_are_unique", new: true, needs: ROOM, run: talk::names },
    Check { name: "ch06_lists_tell_what_the_host_sees", new: true, needs: ROOM, run: talk::lists },
    Check { name: "ch06_sixteen_shells_agree", new: true, needs: ROOM, run: many::race },
    Check { name: "ch06_twenty_equal_servers", new: true, needs: ROOM, run: many::equal_servers },
    Check { name: "ch06_a_new_laptop_has_the_old_drive", new: false, needs: ROOM, run: many::new_laptop },
    Check { name: "ch06_exec_is_in_the_same_rooms", new: true, needs: ROOM, run: exec::rooms },
    Check { name: "ch06_exec_is_in_the_same_groups", new: true, needs: GROUP, run: exec::groups },
    Check { name: "ch06_exec_has_no_more_rights", new: true, needs: ROOM, run: exec::nobody_more },
    Check { name: "ch06_exec_has_words_of_its_own", new: false, needs: ROOM, run: exec::words },
    Check { name: "ch06_exec_codes_are_dockers", new: false, needs: ROOM, run: exec::codes },
    Check { name: "ch06_exec_stands_inside", new: false, needs: ROOM, run: exec::descriptor },
    Check { name: "ch06_exec_program_is_not_written", new: false, needs: ROOM, run: exec::own_program },
    Check { name: "ch06_a_killed_exec_leaves_nobody", new: false, needs: ROOM, run: exec::killed },
    Check { name: "ch06_exec_pipes_are_clean", new: false, needs: ROOM, run: exec::pipes },
    Check { name: "ch06_one_command_to_many", new: false, needs: ROOM, run: exec::fleet },
    Check { name: "ch06_a_terminal_is_the_containers", new: true, needs: ROOM, run: keyboard::terminal },
    Check {
        name: "ch06_no_terminal_is_made_of_anything_else",
        new: false,
        needs: ROOM,
        run: no_devpts::replaced,
    },
    Check { name: "ch06_raw_mode_is_put_back", new: false, needs: ROOM, run: keyboard::put_back },
    Check { name: "ch06_detach_leaves_the_command", new: false, needs: ROOM, run: keyboard::detach },
    Check { name: "ch06_all_attached_see_the_same", new: true, needs: ROOM, run: keyboard::run_and_attach },
    Check { name: "ch06_a_slow_client_blocks_nobody", new: false, needs: ROOM, run: keyboard::slow },
    Check { name: "ch06_attach_passes_signals_on", new: false, needs: ROOM, run: keyboard::proxy },
    Check {
        name: "ch06_a_drive_is_plugged_into_what_runs",
        new: true,
        needs: ROOM,
        run: plug::while_it_runs,
    },
    Check { name: "ch06_a_hostile_place_hits_nothing", new: false, needs: ROOM, run: plug::hostile },
    Check { name: "ch06_plug_says_what_it_needs", new: false, needs: ROOM, run: plug::refused },
];
