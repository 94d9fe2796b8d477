#!/usr/bin/env bash
# From a fresh clone to the output of a command in a machine of its own. Everything it makes lies in .bhatti/.
source "$(dirname "$0")/lib.sh"
source scripts/daemon.sh

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

# One that is there is kept, whatever was made of it: create finds it, and a command wakes it.
first_sandbox() {
  ./bhatti create --name hello
  ./bhatti exec hello -- true
}

started=$EPOCHREALTIME
echo "bhatti: setting up in $state"
scripts/setup.sh
alone
step "configuration" "See the message above" write_configuration
write_wrapper
step "daemon" "See the message above and $state/daemon.log" start_daemon
step "user admin" "See $state/daemon.log" create_user
step "sandbox hello" "Check its state: ./bhatti inspect hello. Boot it from disk: ./bhatti start hello --force, \
or destroy it: ./bhatti destroy hello" first_sandbox

echo
echo '$ ./bhatti exec hello -- sh -c "uname -sr; whoami; pwd"'
before=$EPOCHREALTIME
./bhatti exec hello -- sh -c "uname -sr; whoami; pwd"
echo
printf 'Took %s s, %s s in total.\n' "$(seconds_since "$before")" "$(seconds_since "$started")"
cat <<E2

Next steps:
  ./bhatti create --name dev            create another sandbox
  ./bhatti exec dev -- python3 -c 'print(6 * 7)'
  echo hello | ./bhatti exec dev -- tr a-z A-Z
  ./bhatti shell dev                    open a shell; Ctrl+\\ detaches, the same command reattaches
  ./bhatti list                         list sandboxes
  ./bhatti destroy dev -y
  make stop                             suspend all sandboxes and stop the daemon
  make start                            start the daemon; sandboxes resume when used

The API is at $(setting api_url); the key is auth_token in .bhatti/config.yaml.
E2
