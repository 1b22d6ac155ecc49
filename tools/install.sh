#!/bin/sh
# Install into .venv what is named: a locked requirements file (base, dev), or the project itself.
set -eu
cd "$(dirname "$0")/.."
PYTHON=.venv/bin/python
UV=.venv/bin/uv

# uv looks only at its own certificates unless it is told of others.
if [ -z "${SSL_CERT_FILE:-}" ] && [ -n "${REQUESTS_CA_BUNDLE:-}" ]; then
    export SSL_CERT_FILE="$REQUESTS_CA_BUNDLE"
fi
# Node likewise, when the UI's packages are fetched.
if [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -n "${SSL_CERT_FILE:-}" ]; then
    export NODE_EXTRA_CA_CERTS="$SSL_CERT_FILE"
fi
export UV_HTTP_TIMEOUT="${UV_HTTP_TIMEOUT:-120}"

BY_PIP=.venv/by-pip # there once uv could not install: no build for this machine, or no index reached
can_uv() {
    [ ! -e $BY_PIP ] && [ -x $UV ] && $UV --version >/dev/null 2>&1
}

# uv asks its own index and knows nothing of pip's configuration, so pip may reach what uv can't.
requirements() {
    can_uv && $UV pip install -q --python $PYTHON --require-hashes -r "$1" && return
    echo "Installing $1 by pip, which takes longer." >&2
    touch $BY_PIP
    $PYTHON -m pip install -q --disable-pip-version-check --require-hashes -r "$1"
}

# The build is isolated, so that hatch_build.py can ask for a Node where the machine has none.
project() {
    if can_uv; then
        $UV pip install -q --python $PYTHON --build-constraints requirements/build.txt \
            --reinstall-package tapelight --no-deps --editable .
    else
        $PYTHON -m pip install -q --disable-pip-version-check --no-deps --editable .
    fi
}

case $1 in
project) project ;;
*) requirements "requirements/$1.txt" ;;
esac
