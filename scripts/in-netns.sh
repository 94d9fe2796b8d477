#!/bin/sh
# Runs a command in a network namespace of its own, where daemons of tests may make bridges and rules.
# usage: scripts/in-netns.sh COMMAND...
if [ "$(id -u)" != 0 ] || ! unshare --net true 2>/dev/null; then exec "$@"; fi
exec env BHATTI_TEST_NETNS=1 unshare --net sh -c 'ip link set lo up; exec "$@"' sh "$@"
