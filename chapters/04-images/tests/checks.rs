//! What chapter 04 must show: one mould, many containers, none of which reaches the mould; and the way back.

#[path = "checks/back.rs"]
mod back;
#[path = "checks/mould.rs"]
mod mould;
#[path = "checks/shop.rs"]
mod shop;
#[path = "checks/words.rs"]
mod words;

use std::process::ExitCode;

use checks::need::Need;
use checks::table::{Check, Table};

fn main() -> ExitCode {
    Table { chapter: "04-images", folder: env!("CARGO_MANIFEST_DIR"), checks: CHECKS }.main()
}

/// An ordinary user needs a user namespace for all of it.
const ROOM: &[Need] = &[Need::UserNamespace];
/// Whose other users exist.
const ROOT: &[Need] = &[Need::Root];

const CHECKS: &[Check] = &[
    Check { name: "ch04_a_write_never_reaches_the_image", new: true, needs: ROOM, run: mould::write },
    Check { name: "ch04_a_write_never_reaches_another_container", new: true, needs: ROOM, run: mould::other },
    Check { name: "ch04_all_is_deleted_and_all_is_back", new: true, needs: ROOM, run: mould::deleted },
    Check { name: "ch04_a_hard_link_is_copied_up_alone", new: true, needs: ROOM, run: mould::hard_link },
    Check { name: "ch04_a_read_only_root_is_read_only", new: false, needs: ROOM, run: mould::read_only },
    Check { name: "ch04_ten_containers_share_their_layers", new: false, needs: ROOM, run: mould::ten },
    Check { name: "ch04_nothing_is_left_of_a_container", new: false, needs: ROOM, run: mould::nothing_left },
    Check { name: "ch04_a_killed_engine_leaves_a_record", new: false, needs: ROOT, run: mould::killed },
    Check { name: "ch04_diff_tells_the_changes_alone", new: false, needs: ROOM, run: back::diff },
    Check {
        name: "ch04_deleted_stays_deleted_in_the_next_image",
        new: false,
        needs: ROOM,
        run: back::deletions,
    },
    Check { name: "ch04_an_opaque_folder_hides_what_is_below", new: false, needs: ROOM, run: back::opaque },
    Check { name: "ch04_a_commit_holds_the_changes_alone", new: false, needs: ROOM, run: back::small },
    Check { name: "ch04_a_second_store_has_equal_digests", new: false, needs: ROOM, run: back::moved },
    Check { name: "ch04_a_flipped_bit_is_refused", new: false, needs: ROOM, run: back::flipped },
    Check { name: "ch04_a_wrong_diff_id_is_refused", new: false, needs: ROOM, run: back::wrong_diff_id },
    Check { name: "ch04_the_same_tar_has_the_same_digest", new: false, needs: ROOM, run: back::same },
    Check { name: "ch04_a_container_keeps_what_it_stands_on", new: false, needs: ROOM, run: back::kept },
    Check {
        name: "ch04_a_running_container_is_not_pulled_away",
        new: false,
        needs: ROOM,
        run: back::running,
    },
    Check { name: "ch04_export_has_the_whole_tree", new: false, needs: ROOM, run: back::export },
    Check { name: "ch04_cp_stays_in_the_container", new: false, needs: ROOM, run: back::cp },
    Check { name: "ch04_the_images_words_are_heard", new: false, needs: ROOM, run: words::heard },
    Check {
        name: "ch04_the_command_line_has_the_last_word",
        new: false,
        needs: ROOM,
        run: words::overridden,
    },
    Check { name: "ch04_a_user_is_looked_up_in_the_image", new: false, needs: ROOT, run: words::user },
    Check {
        name: "ch04_both_ways_of_stacking_show_the_same",
        new: false,
        needs: ROOM,
        run: words::both_ways,
    },
    Check { name: "ch04_an_id_mapped_stack_has_one_root", new: false, needs: ROOT, run: words::id_mapped },
];
