# What the chapters do, looked at by hand: with busybox and a shell alone, not by the probe. Should the probe or the
# checks ever be blind, this is the other eye. The lines are those of a test runner; each line 'check NAME ...' at the
# left margin is one check.

. /stage/table.sh

# says TEXT COMMAND...: prints exactly TEXT and ends with 0.
says() {
    want=$1
    shift
    got=$("$@") || { echo "$* ended with $?"; return 1; }
    [ "$got" = "$want" ] || { echo "$* said '$got', not '$want'"; return 1; }
}

# ends STATUS COMMAND...: the command's exit status is STATUS.
ends() {
    want=$1
    shift
    got=0
    "$@" || got=$?
    [ "$got" -eq "$want" ] || { echo "$* ended with $got, not $want"; return 1; }
}

room() { who=$1; shift; as "$who" ch02-namespaces run --rootfs /base --hostname room "$@"; }
mounts() { wc -l </proc/self/mountinfo; }

# ---- the checks ----------------------------------------------------------------------------------------------

overlay() { grep -q overlay /proc/filesystems; }
base() { ch01-chroot base /base && [ -x /base/bin/sh ] && [ -e /base/bin/probe ]; }

exit_codes() {
    ends 0 "$@" true && ends 42 "$@" sh -c 'exit 42' && ends 127 "$@" /nowhere &&
        ends 126 "$@" /etc/passwd && ends 143 "$@" sh -c 'kill -TERM $$; sleep 5'
}
# As pid 1 of its namespace a shell can't be ended by its own signal, only one below it can.
exit_codes_inside() {
    ends 0 "$@" true && ends 42 "$@" sh -c 'exit 42' && ends 127 "$@" /nowhere && ends 126 "$@" /etc/passwd
}
no_rootfs() { ends 125 as "$1" ch02-namespaces run --rootfs /not-there true; }
explained() { room "$1" --explain true 2>&1 | grep -q pivot_root; }

hostname_stays() { says room room "$1" hostname && says small hostname; }
first_process() { says 1 room "$1" sh -c 'echo $$' ; }
# Only numbers of processes are counted: sh, and whatever it started to count.
few_processes() {
    seen=$(room "$1" sh -c 'set -- /proc/[0-9]*; echo $#') && [ "$seen" -le 3 ] || { echo "$seen processes"; return 1; }
}
canary_hidden() {
    says hidden room "$1" sh -c 'for up in / /.. /../../../.. /proc/1/root /proc/1/cwd /proc/self/root/..; do
        if [ -e "$up/canary" ]; then echo "seen at $up"; exit 1; fi; done; echo hidden'
}
old_root_gone() { says 0 room "$1" sh -c 'grep -c /stage /proc/self/mountinfo || true' ; }
own_mounts() {
    before=$(mounts)
    says mounted room "$1" sh -c 'mount -t tmpfs inside /tmp && grep -q "^inside /tmp " /proc/mounts && echo mounted' || return 1
    [ "$(mounts)" -eq "$before" ] || { echo "the mount came out"; return 1; }
}
loopback_only() { says lo room "$1" sh -c 'ls /sys/class/net' && room "$1" sh -c 'ip addr show lo | grep -q 127.0.0.1'; }
devices() { says 4 room "$1" sh -c 'echo x >/dev/null && [ -c /dev/ptmx ] && head -c 4 /dev/urandom | wc -c'; }
read_only_sys() {
    says refused room "$1" sh -c '[ -d /sys/kernel ] || exit 1
        if (echo 0 >/sys/kernel/mm/ksm/run) 2>/dev/null; then echo written; else echo refused; fi'
}
reaping_init() { ends 7 room "$1" --init sh -c 'exit 7'; }
alone() { says lonely as "$1" ch02-namespaces run --only uts,user --hostname lonely hostname; }
boottime() { as "$1" ch02-namespaces run --only user,time --boottime 10y cut -d. -f1 /proc/uptime | grep -q '^3153[0-9]*$'; }

# 3 MiB at half a MiB a second: what is written back late counts for the group, too. Without the limit it is a moment. A file each:
# what is written back counts for the group that a file was first written by.
seconds_to_write() {
    local began
    began=$(cut -d. -f1 /proc/uptime)
    as root ch03-cgroups run --rootfs /disk/base "$@" dd if=/dev/zero of="/written-$#" bs=256k count=12 conv=fsync 2>&1 || return 1
    echo $(($(cut -d. -f1 /proc/uptime) - began)) >/tmp/seconds
}
io_limited() {
    [ -b /dev/nvme0n1 ] && cp -a /base /disk/base || return 1
    seconds_to_write && free=$(cat /tmp/seconds) || return 1
    seconds_to_write --io-max /dev/nvme0n1:wbps=512K && limited=$(cat /tmp/seconds) || return 1
    rm -rf /disk/base
    echo "$free s without a limit, $limited s with half a MiB a second"
    [ "$limited" -ge 2 ] && [ "$limited" -gt "$free" ]
}

nothing_left() {
    [ "$(mounts)" -eq "$mounts_at_first" ] || { cat /proc/self/mountinfo; return 1; }
    ! ps -o args | grep -v grep | grep -q 'ch0[0-9]-\|/bin/probe' || { ps; return 1; }
}

mounts_at_first=$(mounts)
announce "$(grep -c '^check [a-z]' "$0")"
check by_hand_overlay_loaded overlay
check by_hand_ch00_exit_codes exit_codes ch00-process run
check by_hand_ch00_exit_codes_learner exit_codes as learner ch00-process run
check by_hand_ch01_base base
check by_hand_ch01_exit_codes exit_codes ch01-chroot run --rootfs /base
check by_hand_ch01_exit_codes_learner exit_codes as learner ch01-chroot run --rootfs /base
check by_hand_ch02_exit_codes exit_codes_inside room root
check by_hand_ch02_exit_codes_learner exit_codes_inside room learner
check by_hand_ch02_no_rootfs no_rootfs root
check by_hand_ch02_no_rootfs_learner no_rootfs learner
check by_hand_ch02_explain explained root
check by_hand_ch02_explain_learner explained learner
check by_hand_ch02_hostname hostname_stays root
check by_hand_ch02_hostname_learner hostname_stays learner
check by_hand_ch02_pid_one first_process root
check by_hand_ch02_pid_one_learner first_process learner
check by_hand_ch02_processes few_processes root
check by_hand_ch02_processes_learner few_processes learner
check by_hand_ch02_canary_hidden canary_hidden root
check by_hand_ch02_canary_hidden_learner canary_hidden learner
check by_hand_ch02_old_root_gone old_root_gone root
check by_hand_ch02_old_root_gone_learner old_root_gone learner
check by_hand_ch02_own_mounts own_mounts root
check by_hand_ch02_own_mounts_learner own_mounts learner
check by_hand_ch02_loopback_only loopback_only root
check by_hand_ch02_loopback_only_learner loopback_only learner
check by_hand_ch02_devices devices root
check by_hand_ch02_devices_learner devices learner
check by_hand_ch02_sys_read_only read_only_sys root
check by_hand_ch02_sys_read_only_learner read_only_sys learner
check by_hand_ch02_init reaping_init root
check by_hand_ch02_init_learner reaping_init learner
check by_hand_ch02_only_uts alone learner
check by_hand_ch02_boottime boottime learner
check by_hand_ch03_io_is_limited io_limited
check by_hand_nothing_left nothing_left
finish
