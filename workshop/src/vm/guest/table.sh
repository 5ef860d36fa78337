# A table of checks in shell, told as a test runner tells them. A script that takes it in announces how many there are,
# has a line 'check NAME ...' for each, and ends with 'finish'.

. /stage/legs.sh
failures=/tmp/failures
passed=0 failed=0
: >$failures

# check NAME FUNCTION [ARG...]: the function's status decides; what it printed is shown where it failed.
check() {
    local name=$1
    shift
    if "$@" >/tmp/said 2>&1; then
        echo "test $name ... ok"
        passed=$((passed + 1))
    else
        echo "test $name ... FAILED"
        { echo "---- $name ----"; tail -n 6 /tmp/said; echo; } >>$failures
        failed=$((failed + 1))
    fi
}

finish() {
    local result=ok
    if [ "$failed" -gt 0 ]; then
        result=FAILED
        printf '\nfailures:\n\n'
        cat $failures
    fi
    printf '\ntest result: %s. %s passed; %s failed; 0 ignored; 0 measured; 0 filtered out\n' $result $passed $failed
    [ "$failed" -eq 0 ]
}

announce() { printf '\nrunning %s tests\n' "$1"; }
