#!/bin/sh
# Makes sure that there is a Chromium for the tests: Debian's package, if apt may install it.
set -eu
if command -v "${CHROMIUM:-chromium}" >/dev/null; then
    exit
fi
if [ -z "${CHROMIUM:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends chromium fonts-liberation
    exit
fi
echo "Chromium is not installed. Install it: apt-get install chromium." >&2
exit 1
