#!/bin/sh
# Makes sure that there is QEMU's emulator of programs: Debian's package, if apt may install it.
set -eu
if command -v qemu-x86_64 >/dev/null; then
    exit
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends qemu-user
    exit
fi
echo "QEMU is not installed. Install it: apt-get install qemu-user." >&2
exit 1
