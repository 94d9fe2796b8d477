#!/usr/bin/env bash
# The published table, measured here. Takes some minutes; run it on a machine that does nothing else.
source "$(dirname "$0")/lib.sh"
scripts/setup.sh machines
bun bench/run.ts
