#!/usr/bin/env bash
# Ends this clone's daemon and its machines. With --daemon: the daemon alone.
# With --check: only says, by its exit code, whether the daemon runs.
source "$(dirname "$0")/lib.sh"

# A process is the one that was written down if it also started when that one did.
start_time_of() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

recorded() { # FILE FIELD – a number in a JSON record
  sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$1" 2>/dev/null | head -1
}

runs() { # FILE – prints the pid of the process that the record names, if it runs
  local pid start
  pid=$(recorded "$1" pid)
  start=$(recorded "$1" startTime)
  [ -n "$pid" ] && [ "$(start_time_of "$pid")" = "$start" ] && echo "$pid"
}

end() { # FILE SIGNAL SECONDS
  local pid try
  pid=$(runs "$1") || return 0
  kill "-$2" "$pid" 2>/dev/null || return 0
  for try in $(seq $(($3 * 10))); do
    runs "$1" >/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

# The pid could be somebody else's by now; a process with this very file among its arguments is not.
end_qemu() { # FILE
  local pid try
  pid=$(cat "$1")
  mentions "$pid" "$1" || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  for try in $(seq 50); do
    mentions "$pid" "$1" || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
}

mentions() { # PID WORD
  { tr '\0' '\n' <"/proc/$1/cmdline" | grep -qxF "$2"; } 2>/dev/null
}

daemon=$state/data/daemon.json
if [ "${1:-}" = --check ]; then
  runs "$daemon" >/dev/null
  exit
fi
end "$daemon" TERM 60
[ "${1:-}" = --daemon ] && exit 0
# A daemon that was killed leaves its machines, and guests that it was about to save, with QEMU's own pid files.
for file in "$state"/data/sandboxes/*/qemu.pid "$state"/data/golden/*/qemu.pid; do
  [ -e "$file" ] && end_qemu "$file"
done
# With its machines gone nothing uses the folder of their sockets: it is named by a hash of the data directory.
if [ "$(id -u)" = 0 ]; then
  rm -rf "/run/bhatti/$(printf %s "$state/data" | sha256sum | cut -c1-8)"
fi
exit 0
