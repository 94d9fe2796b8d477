#!/usr/bin/env bash
# Runs `make quickstart`, `make stop` and `make test` of the committed state in a minimal system of this machine's release, to which only
# git, make and ca-certificates were added. Needs root and mmdebstrap. The system is .bhatti/fresh, removed at the end.
# usage: scripts/test-fresh.sh [COMMAND…]   runs the command in the clone instead
source "$(dirname "$0")/lib.sh"

root=$state/fresh
commands=("$@")
[ $# -gt 0 ] || commands=(sh -c 'make quickstart && make stop && make test')

# How this machine reaches its package sources and registries, files and variables: copied into the system.
settings=(/etc/resolv.conf /etc/hosts /usr/local/share/ca-certificates /usr/share/keyrings /etc/apt/{keyrings,trusted.gpg.d}
  /etc/apt/trusted.gpg /etc/npmrc /usr/etc/npmrc /usr/local/etc/npmrc ~/.npmrc ~/.bunfig.toml
  "${CARGO_HOME:-$HOME/.cargo}"/config{,.toml} /etc/pip.conf ~/.pip/pip.conf ~/.config/pip/pip.conf)
network='(https?|ftp|all|no)_proxy|(npm|bun)_config_.*|cargo_(home|http|net|registr).*|(pip|ssl|node|curl|git_ssl|requests)_.*'
mapfile -t variables < <(env | grep -iE "^($network)=")

make_system() {
  local file sources=()
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
    [ ! -s "$file" ] || sources+=("$file")
  done
  apt-config dump | grep '^Acquire::' >"$state/fresh-apt.conf"
  mmdebstrap --mode=root --variant=minbase --include=git,make,ca-certificates --aptopt="$state/fresh-apt.conf" \
    --setup-hook='cp -rL /etc/apt/auth.conf* "$1/etc/apt/"' "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" "${sources[@]}"
  for file in "${settings[@]}" $(printf '%s\n' "${variables[@]}" | grep -o '/.*'); do
    [ ! -e "$file" ] || copy "$file"
  done
  chroot "$root" update-ca-certificates
  git bundle create "$root/bhatti.bundle" HEAD
}

copy() { # PATH – what the system has already stays
  mkdir -p "$root${1%/*}"
  cp -rLn "$1" "$root${1%/*}/"
}

# In namespaces of their own: the end of their first process ends all other processes, and the mounts with them. A root that
# is no mount, as chroot leaves it, would keep programs from making mount namespaces of theirs.
run_in_system() { # COMMAND…
  unshare --mount --pid --fork --kill-child --propagation private bash -euc '
    mount --bind "$1" "$1"
    cd "$1"
    shift
    mount -t proc proc proc
    mount --rbind /sys sys
    mount --rbind /dev dev
    mount -t tmpfs shm dev/shm
    mount -t tmpfs run run
    pivot_root . .
    umount -l .
    cd /
    exec "$@"' - "$root" \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" "${variables[@]}" bash -euc '
    mkdir -p ~ && cd ~
    git -c advice.detachedHead=false clone -q /bhatti.bundle bhatti
    cd bhatti
    "$@" || exit' - "$@"
}

[ "$(id -u)" = 0 ] || { echo "make test-fresh requires root" >&2; exit 1; }
started=$EPOCHREALTIME
mkdir -p "$state"
exec 5>>"$state/fresh.lock"
flock -n 5 || { echo "make test-fresh is already running in this clone" >&2; exit 1; }
trap 'rm -rf --one-file-system "$root"' EXIT
rm -rf --one-file-system "$root"
[ -z "$(git status --porcelain)" ] || echo "Warning: uncommitted changes are not tested"
step "minimal system" "See the output of mmdebstrap above" make_system
status=0
run_in_system "${commands[@]}" || status=$?
printf 'Took %s s\n' "$(seconds_since "$started")"
exit $status
