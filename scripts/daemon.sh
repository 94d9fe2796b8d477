# This clone's daemon: how it is configured, found, started and asked to end. Sourced after lib.sh, never run.

holder=$state/data/daemon.json

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
  echo "The port was taken: $state/config.yaml names $port now"
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
  [ -n "$pid" ] && [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$start" ] && echo "$pid"
}

# The daemon that runs is ours and runs this very build.
daemon_is_current() {
  daemon_pid >/dev/null && [ "$state/daemon.build" -nt dist/bhatti ]
}

# Another daemon may answer at our address; ours is the one that wrote its pid into our data directory.
answers() { # PID
  [ "$(recorded pid)" = "$1" ] && ./bhatti version --json 2>/dev/null | grep -q server_version
}

# Machines outlive their daemon: only the daemon is exchanged.
start_daemon() {
  daemon_is_current && return
  end_daemon 60 || true
  local attempt try daemon
  for attempt in 1 2 3; do
    port_is_free || choose_port_again
    touch "$state/daemon.build"
    setsid ./bhatti serve >>"$state/daemon.log" 2>&1 </dev/null &
    daemon=$!
    for try in $(seq 300); do
      answers "$daemon" && return
      kill -0 "$daemon" 2>/dev/null || break
      sleep 0.1
    done
    if kill "$daemon" 2>/dev/null; then
      echo "The daemon did not answer within 30 s" && tail -n 5 "$state/daemon.log"
      return 1
    fi
    tail -n 5 "$state/daemon.log"
    # Between our look at the port and the daemon's use of it somebody may have been faster.
    port_is_free && return 1
  done
  return 1
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
  local try
  for try in $(seq $(($1 * 10))); do
    runs "$2" || return 0
    sleep 0.1
  done
  return 1
}

# A process that ended is one also while nobody has asked for its exit code.
runs() { # PID
  [[ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null)" =~ ^[^ZX] ]]
}
