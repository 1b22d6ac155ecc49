#!/bin/sh
# Install what some tests need beside Python, where this is Debian and we are root; else say what
# is missing. The tests concerned skip loudly then, or fail where CI=true.
set -eu

missing=
need() { # command, package
    command -v "$1" >/dev/null || missing="$missing $2"
}
need chromium chromium
need tmux tmux
need prometheus prometheus
need redis-server redis-server
PATH="$PATH:/usr/sbin" need rabbitmq-server rabbitmq-server
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing for the tests:$missing"
    # An index from the image's birth may name packages that are gone.
    # shellcheck disable=SC2086 # the names are words
    if apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        timeout 400 apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
        exit 0
    fi
fi
echo "*** Tests that need$missing WILL BE SKIPPED: run 'sudo apt-get install$missing'. ***" >&2
