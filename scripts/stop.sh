#!/usr/bin/env bash
# Puts this clone's sandboxes into files, memory and processes too, and ends its daemon. With --discard: without keeping anything.
source "$(dirname "$0")/lib.sh"
source scripts/daemon.sh

# As long as a daemon may take that puts fifty sandboxes into files, some of which do not answer.
patience=600
trap 'rm -f "$state/stop.yaml"' EXIT
declare -A names=()

# The processes of machines, by the folders that are among their arguments: those of sandboxes, and of golden snapshots.
machines() {
  local file
  for file in $(grep -lsF "$state/data/" /proc/[0-9]*/cmdline); do
    [[ "$(cat "${file%cmdline}comm" 2>/dev/null)" == qemu-system* ]] && basename "${file%/cmdline}"
  done
  return 0
}

folder_of() { # PID – the folder of its sandbox's machine
  tr '\0,=' '\n' <"/proc/$1/cmdline" 2>/dev/null | grep -o "^$state/data/sandboxes/[^/]*" | head -1
}

# Other users' sandboxes have no name here.
learn_names() { # URL
  local id text
  for id in $(timeout 15 ./bhatti list --url "$1" --json 2>/dev/null | sed -n 's/^ *"id": "\(.*\)",$/\1/p'); do
    text=$(timeout 15 ./bhatti inspect "$id" --url "$1" --json 2>/dev/null) || continue
    names[$(field engine_id "$text")]=$(field name "$text")
  done
}

field() { # NAME JSON
  sed -n "s/^  \"$1\": \"\(.*\)\",\{0,1\}$/\1/p" <<<"$2" | head -1
}

# Whatever the daemon that ran was told to do with its machines: another one takes them over and suspends them. It listens
# where nobody looks for it, so nobody wakes them meanwhile.
suspend_all() {
  [ -x dist/bhatti ] && [ -s "$state/config.yaml" ] || return 0
  (umask 077 && sed 's/^listen:.*/listen: 127.0.0.1:0/' "$state/config.yaml" >"$state/stop.yaml")
  BHATTI_CONFIG=$state/stop.yaml setsid dist/bhatti serve --on-shutdown stop >>"$state/daemon.log" 2>&1 </dev/null &
  local daemon=$! try url=
  for try in $(seq 1200); do
    [ "$(recorded pid)" = "$daemon" ] && url=$(recorded listen) && [ -n "$url" ] && break
    runs "$daemon" || break
    sleep 0.1
  done
  if [ -n "$url" ]; then
    [ ${#names[@]} -gt 0 ] || learn_names "$url"
    end_daemon "$patience" || true
  elif runs "$daemon"; then
    kill -KILL "$daemon" 2>/dev/null || true
  fi
}

end_machine() { # PID
  kill -TERM "$1" 2>/dev/null || return 0
  ended_within 5 "$1" || kill -KILL "$1" 2>/dev/null || true
}

report() { # FOLDER…
  local folder name failed=0
  for folder in "$@"; do
    name=${names[$(basename "$folder")]:-}
    if [ -e "$folder/suspension.json" ]; then
      echo "sandbox ${name:-of another user, machine $(basename "$folder")}: suspended"
    elif [ -e "$folder/machine.json" ] || [ -n "$name" ]; then
      echo "sandbox ${name:-of another user, machine $(basename "$folder")}: could not be suspended; its memory is lost, its disk stays. Why: $state/daemon.log" >&2
      failed=1
    fi # otherwise it was one of the pool, which nobody has used
  done
  return $failed
}

ran=
status=0
folders=()
for pid in $(machines); do
  folder=$(folder_of "$pid") && folders+=("$folder")
done
if daemon_pid >/dev/null; then
  ran=yes
  [ "${1:-}" = --discard ] || learn_names "$(recorded listen)"
  end_daemon "$patience" || echo "daemon: did not end by itself, and was killed" >&2
fi
if [ "${1:-}" != --discard ]; then
  [ -z "$(machines)" ] || suspend_all
fi
for pid in $(machines); do
  ran=yes
  end_machine "$pid"
done
if [ "${1:-}" != --discard ]; then
  report ${folders[@]+"${folders[@]}"} || status=1
fi
if [ -n "$ran" ]; then
  echo "daemon: ended"
  [ "${1:-}" = --discard ] || echo "make start starts it again; sandboxes go on where they were when they are used."
else
  [ "${1:-}" = --discard ] || echo "daemon: did not run"
fi
# With its machines gone nothing uses the folder of their sockets: it is named by a hash of the data directory.
if [ "$(id -u)" = 0 ]; then
  rm -rf "/run/bhatti/$(printf %s "$state/data" | sha256sum | cut -c1-8)"
fi
exit $status
