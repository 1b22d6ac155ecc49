#!/bin/sh
# Run one npm script of the dashboard (test, check) where Node is reachable.
set -eu
cd "$(dirname "$0")/../ui"

if ! command -v npm >/dev/null || ! node -e '
    const [major, minor] = process.versions.node.split(".").map(Number);
    process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)'; then
    echo "*** ui: '$1' SKIPPED: no Node of 20.19 or newer with npm on PATH. ***" >&2
    exit 0
fi
[ -d node_modules/vitest ] || npm ci --include=dev
npm run --silent "$1"
