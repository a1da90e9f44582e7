#!/usr/bin/env bash
# Run tests in two processes at the same time, as in `tests/run.sh [--cov] tests/unit tests/laws`: those that use Spark
# share one session in the one that is seen; all others run beside it, and what they say comes at the end, in one piece.
# With --cov the coverage of both together is reported at the end. The exit code is 0 when all passed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SAID=build/tests-beside.log PYTHON=.venv/bin/python
run=("$PYTHON" -m pytest)
measured=
if [ "${1:-}" = --cov ]; then
    shift
    rm -f build/.coverage build/.coverage.*
    run=("$PYTHON" -m coverage run --parallel-mode -m pytest)
    measured=yes
fi

mkdir -p build
"${run[@]}" -m "not spark" "$@" >"$SAID" 2>&1 </dev/null &
beside=$!
trap 'kill "$beside" 2>/dev/null' EXIT

"${run[@]}" -m spark "$@"
failed=$?
printf '\nbeside them, without Spark:\n'
wait "$beside" || failed=1
cat "$SAID"

if [ $measured ]; then
    "$PYTHON" -m coverage combine -q && "$PYTHON" -m coverage report --show-missing --skip-covered || failed=1
fi
exit $failed
