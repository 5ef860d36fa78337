# The classic mistakes that show on this version of cgroups alone: the check that is there for each must catch it.
# /stage/mutants has a line for each: its name (the program is /built/mutant-NAME), the chapter, the check.

. /stage/table.sh

caught() {
    local name=$1 chapter=$2 check=$3
    as root env CARGO_TARGET_DIR=/disk/checks-root STAGE_BIN="/built/mutant-$name" \
        "/built/checks-$chapter" --color never --exact "$check" >/tmp/verdict 2>&1
    cat /tmp/verdict
    # It fails, and not because the command never ran.
    grep -q "^test $check .*FAILED" /tmp/verdict && ! grep -q "never ran where it was to run" /tmp/verdict
}

announce "$(wc -l </stage/mutants)"
while read -r name chapter check; do
    check "${name}_is_caught_by_$check" caught "$name" "$chapter" "$check"
done </stage/mutants
finish
