# A kernel that is older than the chapters ask for. A chapter either works there or ends with 125 and says that it is
# the kernel's age; a bare errno sends a learner looking for a mistake of their own.

. /stage/table.sh

# says_it WHO COMMAND...: works, or says why not.
says_it() {
    local code=0
    as "$@" >/tmp/answer 2>&1 || code=$?
    [ "$code" -eq 7 ] && return
    cat /tmp/answer
    [ "$code" -eq 125 ] || { echo "ended with $code"; return 1; }
    grep -q 'this kernel is too old: Linux [0-9].*needs 5.14 or newer' /tmp/answer ||
        { echo "doesn't say that the kernel is too old"; return 1; }
}
refused() { says_it "$@" && grep -q 'too old' /tmp/answer; }

base() { ch01-chroot base /base; }

# From chapter 02 on, each asks for calls that such a kernel hasn't.
later=$(cd /built && echo ch0[2-9]-*)
set -- $later
announce $((6 + 2 * $#))
check too_old_base_is_made base
check too_old_ch00_works_or_says_it says_it root ch00-process run sh -c 'exit 7'
check too_old_ch00_works_or_says_it_learner says_it learner ch00-process run sh -c 'exit 7'
check too_old_ch01_works_or_says_it says_it root ch01-chroot run --rootfs /base sh -c 'exit 7'
check too_old_ch01_works_or_says_it_learner says_it learner ch01-chroot run --rootfs /base sh -c 'exit 7'
check too_old_ch02_says_it_with_an_idmap refused root ch02-namespaces run --rootfs /base --userns auto sh -c 'exit 7'
for chapter in $later; do
    case $chapter in
        ch0[23]-*) root="--rootfs /base" ;;
        *) root=base ;; # an image
    esac
    check "too_old_${chapter%%-*}_says_it" refused root "$chapter" run $root sh -c 'exit 7'
    check "too_old_${chapter%%-*}_says_it_learner" refused learner "$chapter" run $root sh -c 'exit 7'
done
finish
