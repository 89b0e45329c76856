#!/bin/bash
# restart-15min.sh - the restart test with an absence of 15 minutes added: the gateway is killed under verifying I/O of a real
# Linux host and comes back a quarter of an hour later. Takes about 19 minutes, needs what `npm test` needs. Not part of it.
set -eu
cd "$(dirname "$0")/.."
scripts/linux-host.sh build
npm run --silent build
ANAGATE_E2E_LONG=1 exec node_modules/.bin/vitest run --project e2e test/e2e/restart.test.ts
