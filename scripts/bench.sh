#!/usr/bin/env bash
# The published table, measured here. Takes some minutes; run it on a machine that does nothing else.
source "$(dirname "$0")/lib.sh"
scripts/setup.sh machines
scripts/in-netns.sh bun bench/run.ts
