#!/bin/sh
# Write the hash-locked requirements from pyproject.toml. They hold no index address, so that they
# serve behind any mirror. Versions already locked stay; `tools/lock.sh --upgrade` takes the newest.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}

lock() {
    out=$1
    shift
    "$UV" pip compile "$@" --universal --python-version 3.11 --generate-hashes --quiet \
        --no-header --no-emit-index-url --no-emit-find-links --no-annotate --output-file "$out"
}

lock requirements/uv.txt --group uv ${1+"$1"}
lock requirements/build.txt --group build ${1+"$1"}
lock requirements/base.txt pyproject.toml ${1+"$1"}
# The image's: base with the clients of the roles' services.
lock requirements/image.txt pyproject.toml --extra redis --extra rabbitmq --extra postgres \
    --constraints requirements/base.txt ${1+"$1"}
lock requirements/dev.txt pyproject.toml --group dev --constraints requirements/base.txt ${1+"$1"}

if grep -nE 'https?://|file:|^-|/opt/' requirements/*.txt; then
    echo "A requirements file holds an address or a path; see above." >&2
    exit 1
fi
