#!/usr/bin/env bash
# Removes everything that was made here, sandboxes, snapshots and images too, after asking. Needs nothing that was built.
source "$(dirname "$0")/lib.sh"
source scripts/daemon.sh

count() { # PATTERN SINGULAR PLURAL
  local found
  found=$(compgen -G "$1" | wc -l)
  if [ "$found" = 1 ]; then echo "1 $2"; else echo "$found $3"; fi
}

# Machines that are kept ready for nobody yet look like sandboxes; the database knows better.
count_sandboxes() {
  local counted
  if counted=$(dist/bhatti user list --json --data-dir "$data" 2>/dev/null); then
    counted=$(awk '/"sandboxes":/ { gsub(/[^0-9]/, ""); n += $0 } END { print n + 0 }' <<<"$counted")
    if [ "$counted" = 1 ]; then echo "1 sandbox"; else echo "$counted sandboxes"; fi
  else
    count "$data/sandboxes/*" sandbox sandboxes
  fi
}

# A QEMU that has a folder of this clone among its arguments; looked up again right before it is ended.
is_ours() { # PID
  [[ "$(cat "/proc/$1/comm" 2>/dev/null)" == qemu-system* ]] && grep -qsF "$data/" "/proc/$1/cmdline"
}

end_now() { # PID
  kill -KILL "$1" 2>/dev/null || return 0
  ended_within 20 "$1" || { echo "Cannot kill process $1: nothing was removed" >&2; exit 1; }
}

end_everything() {
  local pid file
  # First, or it would make machines anew.
  if pid=$(daemon_pid); then end_now "$pid"; fi
  for file in $(grep -lsF "$data/" /proc/[0-9]*/cmdline); do
    pid=$(basename "${file%/cmdline}")
    if is_ours "$pid"; then end_now "$pid"; fi
  done
}

made=()
for path in .bhatti bhatti dist node_modules .tools guest/lohar/target; do
  [ ! -e "$path" ] || made+=("$path")
done
[ ${#made[@]} -gt 0 ] || { echo "Nothing to remove"; exit; }
sandboxes=$(count_sandboxes)
snapshots=$(count "$data/snapshots/*" snapshot snapshots)
size=$(du -shc "${made[@]}" 2>/dev/null | tail -1 | cut -f1)
what="$sandboxes, $snapshots, $(count "$data/images/*.ext4" image images) and all other files created in this clone: $size"
if [ "$sandboxes, $snapshots" != "0 sandboxes, 0 snapshots" ] && [ "${YES:-}" != 1 ]; then
  if [ ! -t 0 ]; then
    printf 'This would remove %s\nhint: make clean YES=1\n' "$what" >&2
    exit 1
  fi
  read -rp "Remove $what? [y/N] " answer || answer=
  [[ "$answer" =~ ^[yY] ]] || { echo "Nothing was removed"; exit 1; }
fi
echo "Removing $what"
# Named by a hash of the data directory; where they are is the configuration's and the user's business.
tag=$(printf %s "$data" | sha256sum | cut -c1-8)
ram=$(setting ram_dir)
runtime=/run/bhatti
[ "$(id -u)" = 0 ] || runtime=${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/bhatti}
alone
end_everything
rm -rf "${made[@]}" "${runtime:-/tmp/bhatti-$(id -u)}/$tag" ${ram:+"$ram/bhatti-$tag"}
