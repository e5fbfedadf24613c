#!/usr/bin/env bash
# Runs the Swift tests that are built, shows how each suite ended, and says at the end once more what failed.
# All that they printed is in .build/swift-tests.log.
set -uo pipefail
cd "$(dirname "$0")/.."

log=.build/swift-tests.log
: >"$log"

# All at once, a thousand tests share the processors, and their limits of time measure the crowd instead of the test.
export SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH=4

run() {
    swift test --skip-build "$@" 2>&1 | tee -a "$log" | grep --line-buffered -E '^[^◇✔]|^✔ (Suite|Test run)'
    return "${PIPESTATUS[0]}"
}

# Suites that hold something to a limit of time are not crowded by others.
alone='ScriptLimitTests|SlowClientTests'
status=0
run --skip "$alone" || status=$?
run --filter "$alone" || status=$?

if [ "$status" -ne 0 ]; then
    printf '\nFailed (everything that was printed: %s):\n' "$log"
    grep -E '^✘|^error:|Fatal error' "$log" | cut -c 1-500
fi
exit "$status"
