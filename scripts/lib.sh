# What the scripts share: where things are, how progress looks, how a failure speaks. Sourced, never run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$here"
state=$here/.bhatti

# Also finds cargo where rustup and the versioned packages of Ubuntu put it. Called again after an installation.
extend_path() {
  local versioned
  versioned=$(printf '%s\n' /usr/lib/rust-1.*/bin | sort -V | tail -n 1)
  export PATH=$here/.tools/node_modules/.bin:$original_path:${CARGO_HOME:-$HOME/.cargo}/bin:$versioned
}
original_path=$PATH
extend_path

# step TEXT HINT COMMAND… runs a command quietly; when it fails, shows the end of its output and the hint.
step() {
  local text=$1 hint=$2 started=$EPOCHREALTIME log status
  shift 2
  mkdir -p "$state"
  log=$state/last-step.log
  printf '  %-44s ' "$text"
  # Not within an `if`: bash would then ignore `set -e` in the command.
  set +e
  (set -e && "$@") >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if [ "$status" = 0 ]; then
    printf '%5s s\n' "$(seconds_since "$started")"
  else
    printf 'failed\n\n' && tail -n 15 "$log" >&2
    printf '\nFailed: %s (%s)\nhint:   %s\n' "$text" "$*" "$hint" >&2
    exit 1
  fi
}

seconds_since() {
  awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

# newer FILE PATH… – whether FILE is missing or anything below the paths is newer.
outdated() {
  local file=$1
  shift
  [ ! -e "$file" ] || [ -n "$(find "$@" -newer "$file" -type f -print -quit)" ]
}
