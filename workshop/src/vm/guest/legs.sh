# How a chapter's checks are run in the small machine: as root, and as an ordinary user who has been given a subtree
# of the cgroups, as systemd does it (`systemd-run --uid=learner --scope -p Delegate=yes`).

export BOXROOM_BUILT=/built
# insta would print a difference in the middle of a line of the table; what a check found has it anyway.
export INSTA_WORKSPACE_ROOT=/built INSTA_UPDATE=no INSTA_OUTPUT=none
export RUST_BACKTRACE=0 NO_COLOR=1

top=/sys/fs/cgroup
session=$top/user.slice/user-0.slice/session-1.scope
slice=$top/user.slice/user-1000.slice

# Every controller that there is, down the path to a group: a child has those that its parent hands on.
hand_on() {
    local at=$1 name
    for name in $(cat "$at/cgroup.controllers"); do echo "+$name" >"$at/cgroup.subtree_control" 2>/dev/null; done
}

groups_as_after_a_boot() {
    [ -d "$session" ] && return
    mkdir -p "$session" "$slice"
    hand_on "$top"
    hand_on "$top/user.slice"
    hand_on "$slice"
}

# A new one each time: in one that has passed controllers on nobody may begin (no internal processes).
new_scope() {
    local scope
    scope=$(mktemp -d "$slice/run-XXXXXX") && chmod 755 "$scope" &&
        chown 1000:1000 "$scope" "$scope/cgroup.procs" "$scope/cgroup.subtree_control" "$scope/cgroup.threads" &&
        echo "$scope"
}

# as WHO COMMAND...: in that user's group, with that user's home.
as() {
    local who=$1 line= word
    shift
    groups_as_after_a_boot
    if [ "$who" = root ]; then
        (echo 0 >"$session/cgroup.procs" && HOME=/root exec "$@")
        return
    fi
    # Each argument in quotes, since su takes one string.
    for word in "$@"; do line="$line '$(echo "$word" | sed "s/'/'\\''/g")'"; done
    (
        scope=$(new_scope) && echo 0 >"$scope/cgroup.procs" || exit
        export XDG_RUNTIME_DIR=/run/user/1000
        exec su "$who" -c "cd / && exec $line"
    )
}

# leg SUITE WHO: the outcomes of a suite, told line by line. Where launches were told otherwise than the snapshots have
# it, what this kernel made of them is told whole.
leg() {
    local suite=$1 who=$2 program=$1 began update=no new
    [ "$suite" = explain ] && update=new
    # As systemd mounts it: a cgroup namespace is a border.
    [ "$suite" = book-nsdelegate ] && program=book && mount -o remount,nsdelegate "$top"
    began=$(uptime_s)
    tell "@begin $suite $who"
    {
        if [ -e "/stage/$suite.sh" ]; then
            sh "/stage/$suite.sh"
        else
            # One after the other: some measure, and two emulated processors are soon busy.
            as "$who" env TMPDIR=/disk CARGO_TARGET_DIR="/disk/checks-$who" INSTA_UPDATE=$update "/built/checks-$program" --color never --test-threads 1
        fi 2>/tmp/stderr
        echo $? >/tmp/status
        # Afterwards: what a program says in the middle of a line of the table would hide that line's end.
        cat /tmp/stderr
    } | while IFS= read -r line; do tell "| $line"; done
    for new in "$BOXROOM_BUILT"/tests/snapshots/*.snap.new; do
        [ -e "$new" ] || continue
        while IFS= read -r line; do tell "@seen $(basename "$new" .snap.new) $line"; done <"$new"
        rm "$new"
    done
    [ "$suite" = "$program" ] || mount -o remount "$top"
    tell "@end $(cat /tmp/status) $began $(uptime_s)"
}

# heartbeats COUNT SECONDS|never: so many containers that say that they are alive, and perhaps the kernel's end.
heartbeats() {
    local count=$1 after=$2 n=1
    ch01-chroot base /base
    while [ "$n" -le "$count" ]; do
        ch02-namespaces run --rootfs /base sh -c "while echo '@beat $n'; do sleep 0.5; done" </dev/null >&3 &
        n=$((n + 1))
    done
    if [ "$after" != never ]; then
        sleep "$after"
        echo c >/proc/sysrq-trigger
    fi
    wait
}

# launches ROUNDS: the floor and the chapters, with a group and without.
launches() {
    ch01-chroot base /base
    groups_as_after_a_boot
    # An emulator translates a program anew at each address where it sees it: with random ones its translator would be
    # measured, and the floor, which has a fixed one, would be spared.
    echo 0 >/proc/sys/kernel/randomize_va_space
    local limits='--memory 64M --pids 32 --cpus 0.5'
    as root pace "$1" floor floor /base true -- floor+group floor --group $top /base true \
        -- ch02-namespaces ch02-namespaces run --rootfs /base true \
        -- ch03-cgroups ch03-cgroups run --rootfs /base $limits true >/tmp/paces 2>/tmp/stderr ||
        tell "@failed $(tail -n 1 /tmp/stderr)"
    while read -r line; do tell "@pace $line"; done </tmp/paces
}
