#!/bin/sh
# Make .venv with a Python of 3.11 or newer, and put the locked uv in it.
# PYTHON names the interpreter; without it the first suitable one on PATH is taken.
set -eu
cd "$(dirname "$0")/.."
VENV=.venv

fail() {
    echo "$*" >&2
    exit 1
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON was not found: name a Python of 3.11 or newer."
        is_new_enough "$PYTHON" ||
            fail "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1): Tapelight needs Python 3.11 or newer."
        echo "$PYTHON"
        return
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    fail "No Python of 3.11 or newer was found: install one, or name it with make PYTHON=/path/to/python3."
}

# Debian keeps ensurepip in a package of its own.
need_ensurepip() {
    "$1" -c 'import ensurepip' 2>/dev/null && return
    package=python$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing $package, without which $1 makes no virtual environment."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$package" >/dev/null && return
    fi
    fail "$1 has no ensurepip: run 'sudo apt-get install $package' and try again."
}

if ! { [ -x $VENV/bin/python ] && is_new_enough $VENV/bin/python &&
    $VENV/bin/python -m pip --version >/dev/null 2>&1; }; then
    python=$(find_python)
    need_ensurepip "$python"
    echo "Making $VENV with $("$python" -V)."
    rm -rf $VENV
    "$python" -m venv $VENV
fi
# uv installs five times faster than pip, and pip does where uv has no build.
$VENV/bin/python -m pip install -q --disable-pip-version-check --require-hashes \
    --only-binary :all: -r requirements/uv.txt ||
    echo "uv could not be installed here; pip will do, more slowly." >&2
