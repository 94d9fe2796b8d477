#!/usr/bin/env bash
# Everything that a test or a first sandbox needs, made once: packages, tools, binary, kernel, images.
# usage: scripts/setup.sh [build|machines|tests]   build: only what compiling needs; machines (default): what a sandbox
# needs too; tests: also what only tests use
source "$(dirname "$0")/lib.sh"
what=${1:-machines}

install_packages() {
  local wanted purpose missing=()
  while read -r wanted purpose; do
    [ -z "$purpose" ] || [ "$purpose" = "$what" ] || continue
    dpkg-query -W -f '${Status}' "$wanted" 2>/dev/null | grep -q 'ok installed' || missing+=("$wanted")
  done < <(grep -v '^#' scripts/packages.txt)
  [ ${#missing[@]} -eq 0 ] && return
  [ "$(id -u)" = 0 ] || { echo "Missing: ${missing[*]}. Installing them needs root"; return 1; }
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# npm on older Nodes picks older majors; so it fetches only the pinned Bun, and Bun fetches the rest.
install_bun() {
  local version
  version=$(cat .bun-version)
  [ "$(bun --version 2>/dev/null)" = "$version" ] && return
  npm install --prefix .tools --no-save --no-audit --no-fund "bun@$version"
  # The package holds the program but its install script may have been refused: then link it by hand.
  bun --version || node .tools/node_modules/bun/install.js
  [ "$(bun --version)" = "$version" ]
}

install_npm_packages() {
  outdated node_modules/.installed package.json bun.lock || return 0
  bun install --frozen-lockfile
  touch node_modules/.installed
}

check_rust() {
  local needed have
  needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' guest/lohar/Cargo.toml)
  have=$(cargo --version | cut -d' ' -f2)
  [ "$(printf '%s\n' "$needed" "$have" | sort -V | head -1)" = "$needed" ] ||
    { echo "cargo is $have, the guest agent needs $needed or newer. Install Rust with rustup: https://rustup.rs (Debian 12's own is too old)"; return 1; }
}

build_agent() {
  cd guest/lohar
  cargo build --release --locked
}

build_binary() {
  outdated dist/bhatti src scripts/build.ts package.json bun.lock guest/lohar/target/x86_64-unknown-linux-gnu/release/lohar || return 0
  bun scripts/build.ts
}

build_images() {
  local recipe
  for recipe in tiny minimal; do
    dist/bhatti image build "guest/tiers/$recipe.sh" --data-dir "$state/data"
  done
}

command -v npm >/dev/null || { echo "npm is missing. Install Node.js with npm: apt-get install nodejs npm" >&2; exit 1; }
command -v cargo >/dev/null || { echo "cargo is missing. Install Rust with rustup: https://rustup.rs (Debian 12's own is too old)" >&2; exit 1; }
check_rust >&2
step "Debian packages" "Run as root, or install what is missing yourself: scripts/packages.txt" install_packages
step "Bun $(cat .bun-version)" "Check that npm reaches its registry: npm view bun version" install_bun
step "npm packages" "Run it again; if bun.lock is at fault: bun install" install_npm_packages
step "guest agent" "Look at the compiler's message above" build_agent
step "dist/bhatti" "Look at the message above" build_binary
[ "$what" = build ] && exit
step "guest kernel" "Check that apt reaches its sources: apt-get update" bun guest/kernel/prepare.ts "$state/kernel"
step "images tiny, minimal (a minute at first)" "Check that apt reaches its sources: apt-get update" build_images
