//! What chapter 06 must show: who goes into a container that runs is in it, and leaves nothing of the host's there.

#[path = "checks/exec.rs"]
mod exec;
#[path = "checks/keyboard.rs"]
mod keyboard;
#[path = "checks/lodge.rs"]
mod lodge;
#[path = "checks/plug.rs"]
mod plug;

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

const CHECKS: &[Check] = &[
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
