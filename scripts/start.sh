#!/usr/bin/env bash
# Starts this clone's daemon in the background, as quickstart does, but builds nothing.
source "$(dirname "$0")/lib.sh"
source scripts/daemon.sh

if [ ! -x dist/bhatti ] || [ ! -x bhatti ] || [ ! -s "$state/config.yaml" ]; then
  printf 'Nothing is built in this clone yet\nhint: make quickstart\n' >&2
  exit 1
fi
alone
if daemon_is_current; then
  echo "daemon: already running at $(setting api_url)"
  exit
fi
step "daemon" "See the message above and $state/daemon.log" start_daemon
echo "daemon: listening at $(setting api_url)"
echo "Sandboxes resume when they are used: ./bhatti list"
