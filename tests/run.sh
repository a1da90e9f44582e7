#!/usr/bin/env bash
# Run tests in processes at the same time, as in `tests/run.sh [--cov] tests/unit tests/laws`: those that use Spark share
# one session in the one that is seen; all others run beside it, on what it leaves of the processors, and what they say
# comes at the end, in one piece. With --cov, which is for a run of all folders, the coverage of all together is reported at
# the end; tests that draw thousands of cases run without it, since they go the same lines again and again. The exit code
# is 0 when all passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SAID=build/tests-beside.log PYTHON=.venv/bin/python DRAWN=(tests/laws tests/simulation tests/crash/test_parts.py tests/unit/demo tests/contracts/test_three_renderings.py)
plain=("$PYTHON" -m pytest)
run=("${plain[@]}")
measured=
if [ "${1:-}" = --cov ]; then
    shift
    rm -f build/.coverage build/.coverage.*
    run=("$PYTHON" -m coverage run --parallel-mode -m pytest)
    measured=yes
fi

without_spark() {
    renice -n 10 "$BASHPID" >/dev/null
    if [ $measured ]; then
        failed=0
        "${run[@]}" -m "not spark" "${DRAWN[@]/#/--deselect=}" "$@" || failed=1
        "${plain[@]}" "${DRAWN[@]}" || failed=1
        return $failed
    fi
    "${run[@]}" -m "not spark" "$@"
}

mkdir -p build
set -m # a process group of its own, which can be ended as a whole
without_spark "$@" >"$SAID" 2>&1 </dev/null &
beside=$!
set +m
trap 'kill -- "-$beside" 2>/dev/null' EXIT

"${run[@]}" -m spark "$@"
failed=$?
printf '\nbeside them, without Spark:\n'
wait "$beside" || failed=1
cat "$SAID"

if [ $measured ]; then
    "$PYTHON" -m coverage combine -q && "$PYTHON" -m coverage report --show-missing --skip-covered || failed=1
fi
exit $failed
