#!/usr/bin/env bash
# Every test there is, whatever set-up is missing first. The last line is the sum over all runners.
# usage: scripts/test.sh [--quick]   --quick: only what needs no machine, no browser and no binary
source "$(dirname "$0")/lib.sh"
setup=tests
[ "${1:-}" != --quick ] || setup=lint

tally=$state/tests/tally
mkdir -p "$state/tests"
rm -f "$tally"
runner=

# Whatever ends this script, the sum is its last line; a runner that did not get to its end has failed.
report() {
  local passed=0 failed=0 finished=
  [ -z "$runner" ] || kill "$runner" 2>/dev/null || true
  if [ -s "$tally" ]; then { read -r passed failed && read -r finished || true; } <"$tally"; fi
  if [ "$finished" = done ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] || exit 1
}
trap report EXIT
trap 'exit 1' INT TERM

echo "== set-up"
scripts/setup.sh "$setup"
bun scripts/testing/main.ts "$tally" "$@" &
runner=$!
wait "$runner"
