#!/usr/bin/env bash
# Starts this clone's daemon in the background, as quickstart does, but builds nothing.
source "$(dirname "$0")/lib.sh"
source scripts/daemon.sh

if [ ! -x dist/bhatti ] || [ ! -x bhatti ] || [ ! -s "$state/config.yaml" ]; then
  printf 'Nothing was built here yet\nFirst: make quickstart\n' >&2
  exit 1
fi
alone
if daemon_is_current; then
  echo "daemon: runs already at $(setting api_url)"
  exit
fi
step "daemon" "Look at the message above, and at $state/daemon.log" start_daemon
echo "daemon: listens at $(setting api_url)"
echo "Sandboxes go on where they were when they are used: ./bhatti list"
