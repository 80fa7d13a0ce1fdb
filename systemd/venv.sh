#!/bin/sh
# venv.sh PYTHON FOLDER SOURCES WHAT [PIP OPTION...]: an environment in FOLDER, to run as
# /opt/lead12/.venv, with WHAT (a wheel, or a checkout), its pinned needs and a board's libraries.
# What is fetched must have the locks' hashes; with PIP_NO_INDEX=1 nothing is, and the wheels beside
# WHAT are taken. Pip options choose another machine's wheels; then MULTIARCH is its name, as Debian has it, and
# BASE the interpreter it has.
set -eu
python=$1 folder=$2 sources=$3 what=$4
shift 4
final=/opt/lead12/.venv

: "${BASE:=$("$python" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')}"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
: "${MULTIARCH:=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("MULTIARCH"))')}"

trap 'rm -rf "$folder.pip"' EXIT
trap 'exit 130' INT TERM

explain() { # what pip said last, in a line for who installs; its own are kept from him
    case $said in
    *"No space left"*) why="the disk is full; make room" ;;
    *"DO NOT MATCH THE HASHES"*)
        why="a package that was fetched is not the one that locks/ names; is this checkout whole?"
        ;;
    *CERTIFICATE_VERIFY_FAILED* | *SSLError*)
        why="the package index shows a certificate that is not trusted here; look at the clock (date)"
        why="$why, and for a proxy"
        ;;
    *NewConnectionError* | *NameResolutionError* | *ProxyError* | *Timeout* | *"Connection broken"*)
        why="the package index cannot be reached; look at the network, or bring the packages along"
        why="$why: docs/install.md"
        ;;
    *"No matching distribution found for "*)
        which=${said##*"No matching distribution found for "}
        which=${which%%[!A-Za-z0-9._=-]*}
        why="nobody has a ready-made $which for Python $version on ${MULTIARCH%%-*}: docs/boards.md"
        ;;
    *) why=$(printf '%s\n' "$said" | sed -n '/^ERROR: /h; $ { x; s/^ERROR: //p; }') ;;
    esac
    echo "lead12: ${why:-$(printf '%s\n' "$said" | tail -n 1)}" >&2
    exit 1
}
missing() {
    echo "lead12: not every library of hardware.txt is there; what needs it will say so" >&2
}
pip() {
    said=$("$folder.pip/bin/python" -m pip --disable-pip-version-check --quiet install "$@" 2>&1)
}

# pip works from here, beside where it installs: /tmp may be small, or memory. No tool that fetches is
# left on the device.
said=$("$python" -m venv --without-pip "$folder.pip" 2>&1 &&
    "$folder.pip/bin/python" -m ensurepip 2>&1) || explain # by itself it says why it fails
export TMPDIR="$folder.pip"
packages=lib/python$version/site-packages
mkdir -p "$folder/bin" "$folder/$packages"
ln -s "$BASE" "$folder/bin/python"
printf 'home = %s\ninclude-system-site-packages = false\n' "${BASE%/*}" >"$folder/pyvenv.cfg"

into() { pip --no-compile --target "$folder/$packages" "$@"; }
if [ -n "${PIP_NO_INDEX:-}" ] || [ "$("$python" -c 'import sys; print(sys.maxsize >> 32)')" = 0 ]; then
    # From a folder of wheels that somebody chose; or 32 bits, for which there are no locks.
    beside=$sources
    [ ! -f "$what" ] || beside=$(dirname "$what")
    [ $# = 0 ] || set -- --only-binary=:all: "$@"
    into --find-links "$beside" --constraint "$sources/constraints.txt" "$@" "$what" || explain
    sed '/^#/d' "$sources/systemd/hardware.txt" | while read -r library; do
        into --find-links "$beside" --no-deps --only-binary=:all: "$@" "$library" || missing
    done
else # what is fetched must have the lock's hashes; sdnotify is published as source only
    pip --require-hashes --only-binary=:all: --requirement "$sources/locks/build.txt" || explain
    into --require-hashes --no-deps --no-build-isolation --only-binary=:all: \
        --no-binary=sdnotify "$@" --requirement "$sources/locks/runtime.txt" || explain
    rm -rf "${folder:?}/$packages/bin" # commands of others: not wanted, and pip minds them
    into --no-deps --no-build-isolation "$what" || explain
    rm -rf "${folder:?}/$packages/bin"
    into --require-hashes --no-deps --only-binary=:all: "$@" \
        --requirement "$sources/locks/hardware.txt" || missing
fi
spidev=/usr/lib/python3/dist-packages/spidev.cpython-$(echo "$version" | tr -d .)-$MULTIARCH.so
ln -s "$spidev" "$folder/$packages/${spidev##*/}" # dangles, and is not seen, without the package

# Not run on a device: 49 MB of other people's tests.
find "$folder/$packages" -type d -name tests -prune -exec rm -rf {} +
rm -rf "${folder:?}/$packages/bin"
rm -f "$folder/$packages"/*.dist-info/direct_url.json "$folder/$packages"/*.dist-info/REQUESTED
# Nor listed any more: the lines of commands hold the hash of this build's own path.
sed -i '/^[.][.]\/[.][.]\/bin\//d; /direct_url[.]json,/d; /REQUESTED,/d' \
    "$folder/$packages"/*.dist-info/RECORD
cat >"$folder/bin/lead12" <<TEXT
#!$final/bin/python -I
from tools.entry import main
main()
TEXT
chmod 0755 "$folder/bin/lead12"
# Compiled once, the same bytes each time. What is not valid for this Python is never imported.
"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -s "$folder" -p "$final" "$folder/$packages" >/dev/null || true
