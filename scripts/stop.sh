#!/usr/bin/env bash
# Has this clone's daemon put its sandboxes into files, memory and processes too, and end. It ends no machine by itself.
source "$(dirname "$0")/lib.sh"
source scripts/daemon.sh
alone

[ -n "$(daemon_pid)$(machines)" ] || { echo "daemon: not running"; exit; }
if ! pid=$(daemon_pid); then
  [ -x bhatti ] && [ -x dist/bhatti ] ||
    { printf '%s\n' "VMs of this clone are running, but the daemon to stop them is not built" "hint: make quickstart" >&2; exit 1; }
  step "daemon, to adopt its VMs" "See the message above and $state/daemon.log" start_daemon
  pid=$(daemon_pid)
fi
# What it says from here on.
before=$(stat -c %s "$state/daemon.log" 2>/dev/null || echo 0)
said() { # EXPRESSION – of sed
  tail -c "+$((before + 1))" "$state/daemon.log" 2>/dev/null | sed -n "s/.*\"msg\":\"sandbox $1p"
}
printf 'suspending… '
kill -QUIT "$pid" 2>/dev/null || true
ended_within 1800 "$pid" || { printf '\nNot done after 30 min, still working: see %s\n' "$state/daemon.log" >&2; exit 1; }
echo
said 'suspended".*"name":"\([^"]*\)".*/sandbox \1: suspended/'
failures=$(said 'not suspended".*"name":"\([^"]*\)","why":"\(.*\)"}$/sandbox \1: not suspended: \2/')
[ -z "$failures" ] || printf '%s\n' "$failures" "More: $state/daemon.log" >&2
echo "daemon: stopped"
left=$(machines | wc -l)
[ "$left" = 0 ] || echo "VMs still running without a daemon: $left. To adopt them: make start" >&2
[ -z "$failures" ] && [ "$left" = 0 ] || exit 1
echo "To start it again: make start. Sandboxes resume when they are used."
