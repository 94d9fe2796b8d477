#!/usr/bin/env bash
# Removes everything that was made here, sandboxes, snapshots and images too, after saying what that is.
source "$(dirname "$0")/lib.sh"

count() { # PATTERN SINGULAR PLURAL
  local found
  found=$(compgen -G "$1" | wc -l)
  if [ "$found" = 1 ]; then echo "1 $2"; else echo "$found $3"; fi
}

made=()
for path in .bhatti bhatti dist node_modules .tools guest/lohar/target; do
  [ ! -e "$path" ] || made+=("$path")
done
[ ${#made[@]} -gt 0 ] || { echo "Nothing was made here"; exit; }
# First, as machines that nobody has used yet go with the daemon.
scripts/stop.sh --discard
data=$state/data
printf 'Removing %s, %s, %s and all else that was made here: %s\n' \
  "$(count "$data/sandboxes/*" sandbox sandboxes)" "$(count "$data/snapshots/*" snapshot snapshots)" \
  "$(count "$data/images/*.ext4" image images)" "$(du -shc "${made[@]}" 2>/dev/null | tail -1 | cut -f1)"
rm -rf "${made[@]}"
