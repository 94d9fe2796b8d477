#!/usr/bin/env bash
# Everything that a test or a first sandbox needs, made once: packages, tools, binary, kernel, images.
# usage: scripts/setup.sh [build|lint|machines|tests]   build: only what compiling needs; lint: the linters too;
# machines (default): what a sandbox needs; tests: also what only tests use
source "$(dirname "$0")/lib.sh"
source scripts/packages.sh
what=${1:-machines}

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

build_agent() {
  cd guest/lohar
  cargo build --release --locked
}

build_binary() {
  outdated dist/bhatti src scripts/build.ts package.json bun.lock guest/lohar/target/x86_64-unknown-linux-gnu/release/lohar || return 0
  bun scripts/build.ts
}

prepare_kernel() {
  has_lists || apt-get update -q
  bun guest/kernel/prepare.ts "$state/kernel"
}

build_images() {
  local recipe
  for recipe in tiny minimal; do
    dist/bhatti image build "guest/tiers/$recipe.sh" --data-dir "$state/data"
  done
}

# Only the tests of the API's description use it.
install_schemathesis() {
  local folder=.tools/schemathesis wanted=tests/schemathesis/requirements.txt
  outdated $folder/.installed $wanted || return 0
  rm -rf $folder
  python3 -m venv $folder
  $folder/bin/pip install --quiet --disable-pip-version-check --requirement $wanted
  touch $folder/.installed
}

ensure_packages "$what"
step "Bun $(cat .bun-version)" "Check the connection to the npm registry: npm view bun version" install_bun
step "npm packages" "Try again; if bun.lock is outdated: bun install" install_npm_packages
step "guest agent" "See the compiler output above" build_agent
step "dist/bhatti" "See the message above" build_binary
[[ "$what" != build && "$what" != lint ]] || exit 0
[ "$what" != tests ] ||
  step "schemathesis" "Check the connection to the PyPI index: pip download schemathesis" install_schemathesis
step "guest kernel" "Check the connection to the apt sources: apt-get update" prepare_kernel
step "images tiny, minimal (takes a minute)" "Check the connection to the apt sources: apt-get update" build_images
