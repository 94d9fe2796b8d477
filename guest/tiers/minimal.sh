#!/bin/sh
# The default image: Debian with the tools that a person or an agent reaches for first.
# bhatti-size: 1024
set -eu
root=$1

packages=bash,coreutils,apt,curl,ca-certificates,sudo,procps,iproute2,less,vim-tiny,tmux,htop,git,python3,kmod

echo "installing $packages"
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-include=/usr/share/doc/*/copyright' \
  bookworm "$root"

# What was this machine's must not be the guest's: it gets a name, an identity and resolvers of its own.
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
: >"$root/etc/machine-id"
