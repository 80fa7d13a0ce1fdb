#!/bin/sh
# venv.sh PYTHON FOLDER SOURCES WHAT [PIP OPTION...]: an environment in FOLDER, to run as
# /opt/lead12/.venv, with WHAT (a wheel, or a checkout), its pinned needs and a board's libraries.
# Pip options choose another machine's wheels. MULTIARCH: that machine's name, as Debian has it.
set -eu
python=$1 folder=$2 sources=$3 what=$4
shift 4
final=/opt/lead12/.venv

base=$("$python" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
: "${MULTIARCH:=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("MULTIARCH"))')}"

"$python" -m venv "$folder.pip" # pip works from here; no tool that fetches is left on the device
trap 'rm -rf "$folder.pip"' EXIT
trap 'exit 130' INT TERM
packages=lib/python$version/site-packages
mkdir -p "$folder/bin" "$folder/$packages"
ln -s "$base" "$folder/bin/python"
printf 'home = %s\ninclude-system-site-packages = false\n' "${base%/*}" >"$folder/pyvenv.cfg"

beside=$sources
[ ! -f "$what" ] || beside=$(dirname "$what")
pip_install() {
    "$folder.pip/bin/python" -m pip --disable-pip-version-check --quiet install --no-compile \
        --find-links "$beside" --target "$folder/$packages" "$@"
}
pip_install --constraint "$sources/constraints.txt" "$@" "$what"
while read -r library; do
    case $library in '#'* | '') continue ;; esac
    pip_install --no-deps --only-binary=:all: "$@" "$library" ||
        echo "lead12: there is no $library for this machine; what needs it will say so" >&2
done <"$sources/systemd/hardware.txt"
spidev=/usr/lib/python3/dist-packages/spidev.cpython-$(echo "$version" | tr -d .)-$MULTIARCH.so
ln -s "$spidev" "$folder/$packages/${spidev##*/}" # dangles, and is not seen, without the package

rm -rf "${folder:?}/$packages/bin" "$folder/$packages"/*.dist-info/direct_url.json
cat >"$folder/bin/lead12" <<TEXT
#!$final/bin/python -I
from tools.entry import main
main()
TEXT
chmod 0755 "$folder/bin/lead12"
# Compiled once, the same bytes each time. What is not valid for this Python is never imported.
"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash \
    -s "$folder" -p "$final" "$folder/$packages" >/dev/null || true
