#!/usr/bin/env bash
# From a fresh clone to the output of a command in a machine of its own. Everything it makes lies in .bhatti/.
source "$(dirname "$0")/lib.sh"

free_port() {
  local port
  for port in $(seq 8080 8179); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  echo "No port between 8080 and 8179 is free" >&2
  return 1
}

write_configuration() {
  [ -s "$state/config.yaml" ] && return
  umask 077
  local port
  port=$(free_port)
  cat >"$state/config.yaml" <<YAML
# Made by make quickstart, for this clone alone.
listen: 127.0.0.1:$port
data_dir: $state/data
kernel: $state/kernel
on_shutdown: keep
api_url: http://127.0.0.1:$port
YAML
}

write_wrapper() {
  cat >bhatti <<SH
#!/bin/sh
# Runs this clone's bhatti with this clone's configuration. Made by make quickstart.
BHATTI_CONFIG='$state/config.yaml' exec '$here/dist/bhatti' "\$@"
SH
  chmod +x bhatti
}

# The daemon that runs is ours and runs this very build.
daemon_is_current() {
  scripts/stop.sh --check && [ "$state/daemon.build" -nt dist/bhatti ]
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
  port=$(sed -n 's/^listen:.*:\([0-9]*\)$/\1/p' "$state/config.yaml")
  ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

# Another daemon may answer at our address; ours is the one that wrote its pid into our data directory.
answers() { # PID
  grep -qs "\"pid\":$1[,}]" "$state/data/daemon.json" &&
    ./bhatti version --json 2>/dev/null | grep -q server_version
}

# Machines outlive their daemon: only the daemon is exchanged.
start_daemon() {
  daemon_is_current && return
  scripts/stop.sh --daemon
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

create_user() {
  grep -q '^auth_token:' "$state/config.yaml" && return
  local key
  if ./bhatti user list | grep -qw admin; then
    key=$(./bhatti user rotate-key admin --json | sed -n 's/.*"\(bht_[0-9a-f]*\)".*/\1/p')
  else
    key=$(./bhatti user create --name admin --role admin --max-sandboxes 50 --max-cpus 8 --max-memory 16384 --json | sed -n 's/.*"\(bht_[0-9a-f]*\)".*/\1/p')
  fi
  [ -n "$key" ]
  echo "auth_token: $key" >>"$state/config.yaml"
}

# One that runs is kept as it is: create finds it. One that was stopped cannot be started again yet.
first_sandbox() {
  if ./bhatti inspect hello --json >"$state/hello.json" 2>/dev/null &&
    ! grep -q '"status": *"running"' "$state/hello.json"; then
    ./bhatti destroy hello -y
  fi
  rm -f "$state/hello.json"
  ./bhatti create --name hello
}

started=$EPOCHREALTIME
echo "bhatti: setting up in $state"
scripts/setup.sh
step "configuration" "Look at the message above" write_configuration
write_wrapper
step "daemon" "Look at the message above, and at $state/daemon.log" start_daemon
step "user admin" "See $state/daemon.log" create_user
step "sandbox hello" "See $state/daemon.log, or: ./bhatti inspect hello" first_sandbox

echo
echo '$ ./bhatti exec hello -- sh -c "uname -sr; whoami; pwd"'
before=$EPOCHREALTIME
./bhatti exec hello -- sh -c "uname -sr; whoami; pwd"
echo
printf 'That took %s s; everything together %s s.\n' "$(seconds_since "$before")" "$(seconds_since "$started")"
cat <<'E2'

Try next:
  ./bhatti create --name dev            another machine, in milliseconds
  ./bhatti exec dev -- python3 -c 'print(6 * 7)'
  echo hello | ./bhatti exec dev -- tr a-z A-Z
  ./bhatti exec dev -t -- bash          a terminal in it
  ./bhatti list                         what there is
  ./bhatti destroy dev -y
  make stop                             ends the daemon and its machines
E2
