#!/usr/bin/env bash
# Types, format and rules of both languages.
source "$(dirname "$0")/lib.sh"
scripts/setup.sh lint >/dev/null
bunx tsc
bunx biome check --error-on-warnings .
cargo fmt --manifest-path guest/lohar/Cargo.toml --check
cargo clippy --quiet --locked --manifest-path guest/lohar/Cargo.toml --all-targets -- -D warnings
bash -n scripts/*.sh
