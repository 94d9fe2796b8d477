#!/usr/bin/env bash
# Every test there is, whatever set-up is missing first. The last line is the sum over all runners.
source "$(dirname "$0")/lib.sh"

passed=0
failed=0
mkdir -p "$state"

count() { # PASSED FAILED
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-0}))
}

# A check passes or fails as a whole.
check() { # NAME COMMAND…
  local name=$1
  shift
  echo "== $name"
  if "$@"; then count 1 0; else count 0 1; fi
}

# Whatever ends this script, the sum is its last line; one that did not get to the end has failed.
finished=
machines=
report() {
  [ -z "$machines" ] || kill "$machines" 2>/dev/null || true
  [ -n "$finished" ] || count 0 1
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] || exit 1
}
trap report EXIT

run_cargo_tests() {
  local log=$state/cargo-test.log status=0
  (cd guest/lohar && cargo test --locked) 2>&1 | tee "$log" || status=1
  count "$(awk '/^test result:/ { n += $4 } END { print n + 0 }' "$log")" \
    "$(awk '/^test result:/ { n += $6 } END { print n + 0 }' "$log")"
  # A run that broke before it could count is a failure all the same.
  if grep -q '^test result: FAILED' "$log"; then return; fi
  if [ $status != 0 ] || ! grep -q '^test result: ok' "$log"; then count 0 1; fi
}

run_bun_tests() { # NAME PATH…
  local name=$1 log=$state/bun-test.log status=0
  shift
  echo "== $name"
  bun test --timeout 300000 "$@" 2>&1 | tee "$log" || status=1
  count_bun_tests "$log" $status
}

count_bun_tests() { # LOG STATUS
  local pass fail
  pass=$(awk '/^ *[0-9]+ pass$/ { n = $1 } END { print n + 0 }' "$1")
  fail=$(awk '/^ *[0-9]+ fail$/ { n = $1 } END { print n + 0 }' "$1")
  # One that crashed, or ran nothing, is a failure without a count of its own.
  if [ "$fail" = 0 ] && { [ "$2" != 0 ] || [ "$pass" = 0 ]; }; then fail=1; fi
  count "$pass" "$fail"
}

check "set-up" scripts/setup.sh tests
# Without it nothing else says anything.
[ "$failed" = 0 ] || { finished=yes; exit 1; }
# An emulated machine keeps one processor busy, so two things are done at once: some of the machines' tests, and all else
# with the rest of them at the end. Each half takes about as long as the other.
beside=()
for name in abandoned broken-state crashes endings exec files hanging layers lifecycle minimal sessions shell sleep \
  snapshots ways-to-a-machine web-shell; do
  beside+=("tests/vm/$name.test.ts")
done
machines_log=$state/machines-test.log
bun test --timeout 300000 "${beside[@]}" >"$machines_log" 2>&1 &
machines=$!

check "types" bunx tsc
check "lint" bunx biome check --error-on-warnings .
check "rust format" cargo fmt --manifest-path guest/lohar/Cargo.toml --check
check "rust lint" cargo clippy --quiet --locked --manifest-path guest/lohar/Cargo.toml --all-targets -- -D warnings
echo "== guest agent"
run_cargo_tests
run_bun_tests "unit" src
run_bun_tests "layers, contract, setup" tests/*.test.ts
run_bun_tests "protocol" tests/protocol
run_bun_tests "api" tests/api
run_bun_tests "cli" tests/cli
run_bun_tests "browser" tests/browser
run_bun_tests "model" tests/model
others=()
for file in tests/vm/*.test.ts; do
  [[ " ${beside[*]} " == *" $file "* ]] || others+=("$file")
done
run_bun_tests "machines" "${others[@]}"
echo "== machines, beside all that"
status=0
wait "$machines" || status=1
machines=
cat "$machines_log"
count_bun_tests "$machines_log" $status
finished=yes
