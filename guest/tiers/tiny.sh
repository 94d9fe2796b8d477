#!/bin/sh
# A root file system of one program, busybox: a few megabytes, for tests.
# bhatti-size: 64
set -eu
root=$1

download=$(mktemp -d)
trap 'rm -rf "$download"' EXIT
echo "fetching busybox-static"
(cd "$download" && apt-get download -q -o APT::Sandbox::User=root busybox-static)
dpkg-deb -x "$download"/*.deb "$download/package"

mkdir -p "$root/bin" "$root/etc" "$root/root" "$root/usr/bin" "$root/usr/local/bin"
# Debian has moved the program from /bin to /usr/bin; take it from wherever it is.
cp "$(find "$download/package" -type f -path '*/bin/busybox')" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
  [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
# They can be run from here too, where scripts look for them.
ln -s ../../bin/env "$root/usr/bin/env"

printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
