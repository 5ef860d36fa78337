//! `doctor --fix` and `--undo` for real, on a machine of their own: a mount namespace with another /etc, in which an
//! ordinary user without a range, a sudo, and an AppArmor are made. Nothing of it is on the machine itself.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
#[path = "fix/sandbox.rs"]
mod sandbox;

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    use checks::need::Need;
    use checks::table::trial;

    let arguments = libtest_mimic::Arguments::from_args();
    let trials = SCENES
        .iter()
        .map(|(name, script)| trial((*name).to_string(), &[Need::Root], || Ok(sandbox::play(script)?)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Each is a script of bash that ends at its first failure. What it can call: `sandbox.rs`.
#[cfg(target_os = "linux")]
const SCENES: &[(&str, &str)] = &[
    (
        "a_range_is_given_once_and_exactly_it_is_taken_back",
        r#"
        says 125 'there is no terminal' --fix
        same
        says 0 'usermod --add-subuids' --fix --yes
        holds 'nothing is refused now'
        grep -qx "$user:[0-9]*:65536" /etc/subuid
        grep -qx "$user:[0-9]*:65536" /etc/subgid
        says 0 'nothing to fix' --fix
        echo 'boxroom-other:900000:65536' | tee -a /etc/subuid >>before/subuid
        says 125 'there is no terminal' --undo
        says 0 '2 taken back' --undo --yes
        same
        says 0 'nothing to take back' --undo
    "#,
    ),
    (
        "without_usermod_a_line_is_written_beside_and_renamed",
        r#"
        hide /usr/sbin/usermod
        printf 'boxroom-other:100000:65536' | tee /etc/subuid >before/subuid
        rm -f /etc/subgid before/subgid
        says 0 'install -m 644' --fix --yes
        [ "$(cat /etc/subuid)" = "$(printf 'boxroom-other:100000:65536\n%s:165536:65536' $user)" ]
        [ "$(stat -c %a:%U /etc/subgid)" = 644:root ]
        says 0 '2 taken back' --undo --yes
        [ "$(cat /etc/subuid)" = 'boxroom-other:100000:65536' ]
        [ ! -s /etc/subgid ]
    "#,
    ),
    (
        "a_crash_in_the_middle_is_undone_from_the_record",
        r#"
        hide /usr/sbin/usermod
        touch kill-at-mv
        fix=$(as_user doctor --fix --yes 2>&1) && exit 1
        [ -e /etc/.subuid.boxroom ]
        rm kill-at-mv
        says 0 'only its record goes' --undo --yes
        [ ! -e /etc/.subuid.boxroom ]
        same
        says 0 'nothing to take back' --undo
    "#,
    ),
    (
        "what_somebody_else_changed_is_left_alone_and_said",
        r#"
        says 0 'done' --fix --yes
        sed -i "s/^\($user:[0-9]*\):65536$/\1:9/" /etc/subuid
        says 1 'changed by somebody else' --undo --yes
        holds '1 taken back, 1 left'
        grep -qx "$user:[0-9]*:9" /etc/subuid
        cmp /etc/subgid before/subgid
    "#,
    ),
    (
        "without_sudo_the_commands_are_shown_and_nothing_is_done",
        r#"
        rm bin/sudo
        command -v sudo && exit 0 # a machine with one of its own
        says 1 'this machine has no sudo' --fix --yes
        holds 'usermod --add-subuids'
        same
    "#,
    ),
    (
        "ubuntus_restriction_gets_a_profile_and_the_switches_are_the_last",
        r#"
        ubuntu
        says 0 'flags=(unconfined)' --fix --yes
        holds 'left out kernel.apparmor_restrict_unprivileged_userns=0: not needed any more'
        grep -q 'replace /etc/apparmor.d/boxroom-' parser.log
        [ "$(cat /proc/sys/user/max_user_namespaces)" = 15000 ]
        [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns)" = 1 ]
        grep -q 'user.max_user_namespaces = 15000' /etc/sysctl.d/99-boxroom-max_user_namespaces.conf
        says 0 'taken back' --undo --yes
        grep -q 'remove /etc/apparmor.d/boxroom-' parser.log
        [ "$(cat /proc/sys/user/max_user_namespaces)" = 0 ]
        [ -z "$(find /etc/apparmor.d /etc/sysctl.d -name '*boxroom*')" ]
        same
    "#,
    ),
    (
        "a_report_is_one_file_without_home_and_host",
        r#"
        cd home
        says 0 'the report is in' --report
        grep -q 'user  *works' boxroom-report.txt
        grep -q '02-namespaces' boxroom-report.txt
        grep -q "~/.local/share/boxroom" boxroom-report.txt
        ! grep -F "$PWD" boxroom-report.txt
        ! grep -w "$(uname -n)" boxroom-report.txt
        says 0 'the report is in' --report
        echo a diary >diary.txt
        chown $user diary.txt
        says 125 'no report of' --report diary.txt
        [ "$(cat diary.txt)" = 'a diary' ]
    "#,
    ),
];
