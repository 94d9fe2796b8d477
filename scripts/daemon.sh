# This clone's daemon: how it is configured, found, started and asked to end. Sourced after lib.sh, never run.

data=$state/data
holder=$data/daemon.json
# The output of the script itself, also within a step, whose own output is put aside.
exec 4>&1

# One script at a time: what one of them has begun with the daemon another one would misunderstand.
alone() {
  mkdir -p "$state"
  exec 5>>"$state/daemon.lock"
  flock -n 5 || { echo "Waiting for another make to finish…" && flock 5; }
}

free_port() {
  local port
  for port in $(seq 8080 8179); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  echo "No port between 8080 and 8179 is free" >&2
  return 1
}

setting() { # KEY – its value in this clone's configuration
  sed -n "s/^$1: *//p" "$state/config.yaml" 2>/dev/null | head -1
}

# The port was free when the configuration was written; somebody else may have taken it since.
choose_port_again() {
  local port
  port=$(free_port)
  sed -i "s/^\(listen: .*:\)[0-9]*$/\1$port/; s/^\(api_url: .*:\)[0-9]*$/\1$port/" "$state/config.yaml"
  echo "The port is in use: changed it to $port in $state/config.yaml"
}

port_is_free() {
  local port
  port=$(setting listen | sed 's/.*://')
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

recorded() { # FIELD – what the daemon wrote down about itself
  sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$holder" 2>/dev/null | head -1
}

# A process is the one that was written down if it also started when that one did.
daemon_pid() {
  local pid start
  pid=$(recorded pid)
  start=$(recorded startTime)
  [ -n "$pid" ] && runs "$pid" && [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$start" ] && echo "$pid"
}

# The daemon that runs is ours and runs this very build.
daemon_is_current() {
  daemon_pid >/dev/null && [ "$state/daemon.build" -nt dist/bhatti ]
}

# Another daemon may answer at our address; ours is the one that wrote its pid into our data directory.
answers() { # PID
  [ "$(recorded pid)" = "$1" ] && ./bhatti version --json 2>/dev/null | grep -q server_version
}

# Those of this clone's machines whose process lives: QEMU's own records of pids, as far as they are still true.
machines() {
  local file pid
  for file in "$data"/sandboxes/*/qemu.pid; do
    pid=$(cat "$file" 2>/dev/null) || continue
    if runs "$pid" && grep -qsF "${file%/qemu.pid}/" "/proc/$pid/cmdline"; then echo "$pid"; fi
  done
}

# Machines outlive their daemon: only the daemon is exchanged.
start_daemon() {
  daemon_is_current && return
  end_daemon 600 || true
  local attempt daemon
  for attempt in 1 2 3; do
    port_is_free || choose_port_again
    touch "$state/daemon.build"
    (umask 077 && : >>"$state/daemon.log")
    chmod 600 "$state/daemon.log"
    setsid ./bhatti serve >>"$state/daemon.log" 2>&1 </dev/null 4>&- 5>&- &
    daemon=$!
    # First it takes over the machines that run, and some of them may not answer.
    waiting 600 answers_or_ended "$daemon" ||
      { echo "The daemon (pid $daemon) has not responded for 10 min and is still running" && tail -n 5 "$state/daemon.log"; return 1; }
    runs "$daemon" && return
    tail -n 5 "$state/daemon.log"
    # Between our look at the port and the daemon's use of it somebody may have been faster.
    port_is_free && return 1
  done
  return 1
}

answers_or_ended() { # PID
  answers "$1" || ! runs "$1"
}

# Ends it in good order; what becomes of its machines is its own configuration's business. Fails when it had to be killed.
end_daemon() { # SECONDS
  local pid
  pid=$(daemon_pid) || return 0
  kill -TERM "$pid" 2>/dev/null || return 0
  ended_within "$1" "$pid" && return
  kill -KILL "$pid" 2>/dev/null || true
  ended_within 5 "$pid" || true
  return 1
}

ended_within() { # SECONDS PID
  waiting "$1" ended "$2"
}

ended() { # PID
  ! runs "$1"
}

# Until the command succeeds; says every ten seconds that it still waits.
waiting() { # SECONDS COMMAND…
  local started=$SECONDS told=0 limit=$1
  shift
  until "$@"; do
    [ $((SECONDS - started)) -lt "$limit" ] || return 1
    if [ $((SECONDS - started)) -ge $((told + 10)) ]; then
      told=$((SECONDS - started))
      printf '%s s… ' "$told" >&4
    fi
    sleep 0.1
  done
}

# A process that ended is one also while nobody has asked for its exit code.
runs() { # PID
  [[ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null)" =~ ^[^ZX] ]]
}
