//! What chapter 05 must show: what is plugged in outlives the container, and nothing but that is reached.

#[path = "checks/desk.rs"]
mod desk;
#[path = "checks/drive.rs"]
mod drive;
#[path = "checks/host.rs"]
mod host;
#[path = "checks/keeping.rs"]
mod keeping;
#[path = "checks/paths.rs"]
mod paths;
#[path = "checks/refusals.rs"]
mod refusals;

use std::process::ExitCode;

use checks::need::Need;
use checks::table::{Check, Table};

fn main() -> ExitCode {
    Table { chapter: "05-volumes", folder: env!("CARGO_MANIFEST_DIR"), checks: CHECKS }.main()
}

/// An ordinary user needs a user namespace for all of it.
const ROOM: &[Need] = &[Need::UserNamespace];
/// Something has to be mounted on the host, or to belong to somebody else.
const ROOT: &[Need] = &[Need::Root];

const CHECKS: &[Check] = &[
    Check { name: "ch05_data_outlives_its_container", new: true, needs: ROOM, run: drive::outlives },
    Check { name: "ch05_a_folder_of_the_host_is_the_same_folder", new: true, needs: ROOM, run: drive::bind },
    Check { name: "ch05_a_file_is_bound_as_a_file", new: true, needs: ROOM, run: drive::file },
    Check { name: "ch05_the_next_laptop_has_the_drive", new: false, needs: ROOM, run: drive::next_laptop },
    Check { name: "ch05_a_tmpfs_is_new_and_gone", new: true, needs: ROOM, run: drive::temporary },
    Check {
        name: "ch05_a_read_only_root_takes_a_drive",
        new: false,
        needs: ROOM,
        run: drive::read_only_root,
    },
    Check { name: "ch05_the_command_stands_in_the_volume", new: false, needs: ROOM, run: drive::workdir },
    Check { name: "ch05_read_only_is_not_written_through", new: true, needs: ROOM, run: drive::read_only },
    Check { name: "ch05_read_only_goes_down_to_the_submounts", new: true, needs: ROOT, run: host::submount },
    Check { name: "ch05_a_mount_of_the_host_stays_mounted", new: false, needs: ROOT, run: host::mount_point },
    Check { name: "ch05_the_source_may_go_meanwhile", new: false, needs: ROOM, run: host::source_gone },
    Check { name: "ch05_nothing_of_it_is_mounted_on_the_host", new: false, needs: ROOM, run: host::unseen },
    Check { name: "ch05_by_path_the_canary_is_hit", new: true, needs: ROOM, run: paths::by_path },
    Check { name: "ch05_a_symlink_at_the_target_stays_inside", new: true, needs: ROOM, run: paths::symlinks },
    Check { name: "ch05_a_missing_target_is_made_inside", new: true, needs: ROOM, run: paths::made },
    Check { name: "ch05_a_swapped_target_leads_nowhere", new: false, needs: ROOM, run: paths::swapped },
    Check { name: "ch05_nothing_is_mounted_over_proc", new: false, needs: ROOM, run: paths::kernels },
    Check { name: "ch05_one_place_takes_one_mount", new: false, needs: ROOM, run: paths::twice },
    Check {
        name: "ch05_an_empty_volume_gets_the_images_files",
        new: true,
        needs: ROOM,
        run: keeping::seeded,
    },
    Check { name: "ch05_many_starts_seed_one_volume_once", new: false, needs: ROOM, run: keeping::race },
    Check {
        name: "ch05_a_nameless_volume_goes_with_its_container",
        new: false,
        needs: ROOM,
        run: keeping::nameless,
    },
    Check { name: "ch05_a_volume_in_use_is_not_removed", new: false, needs: ROOM, run: keeping::in_use },
    Check { name: "ch05_a_killed_engine_leaves_a_record", new: false, needs: ROOM, run: keeping::killed },
    Check { name: "ch05_a_volume_comes_back_from_its_tar", new: false, needs: ROOM, run: keeping::archived },
    Check { name: "ch05_a_hostile_tar_fills_nothing", new: false, needs: ROOM, run: keeping::hostile },
    Check {
        name: "ch05_an_id_mapped_volume_has_one_owner",
        new: false,
        needs: ROOT,
        run: keeping::id_mapped,
    },
    Check { name: "ch05_what_makes_no_sense_is_refused", new: false, needs: ROOM, run: refusals::refused },
    Check { name: "ch05_exit_codes_stay_dockers", new: false, needs: ROOM, run: refusals::codes },
];
