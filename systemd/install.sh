#!/bin/sh
# Puts Lead12 on a Raspberry Pi or any Debian with systemd, and takes it off again: docs/install.md.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=systemd/steps.sh
. "$here/steps.sh"

usage() {
    cat <<'TEXT'
sudo ./systemd/install.sh [--wheel FILE] [--root DIR]   installs, or brings up to date
sudo ./systemd/install.sh --uninstall [--root DIR]      removes all but settings and records

--wheel FILE  this wheel of Lead12 instead of the checkout; with PIP_NO_INDEX=1 in the environment
              nothing is fetched, and the wheels of what it needs are taken from beside it
--root DIR    into the system whose root is DIR (a mounted card, an image)
TEXT
}

NEED_KB=700000 # a new environment beside the old one
wheel='' root='' uninstall=''
while [ $# -gt 0 ]; do
    case $1 in
    --wheel | --root)
        [ $# -gt 1 ] || fail "$1 wants a name; install.sh --help"
        if [ "$1" = --wheel ]; then wheel=$2; else root=$2; fi
        shift
        ;;
    --uninstall) uninstall=yes ;;
    --help | -h) usage && exit 0 ;;
    *) fail "no option $1; install.sh --help" ;;
    esac
    shift
done

refuse_what_cannot_work() {
    [ "$(id -u)" = 0 ] || fail "only root may do this; type: sudo $0"
    [ -z "$wheel" ] || [ -r "$wheel" ] || fail "$wheel cannot be read"
    [ -z "$root" ] || [ -x "$root/bin/sh" ] || fail "$root is not the root of a system"
}

refuse_this_system() {
    for command in systemctl systemd-sysusers systemd-tmpfiles setpriv; do
        command -v "$command" >/dev/null || fail "this system has no $command; Lead12 needs systemd"
    done
    if dpkg-query -W -f '${Status}' lead12 2>/dev/null | grep -q ' installed$'; then
        fail "Lead12 is here as a Debian package; use apt, or first: sudo apt remove lead12"
    fi
}

refuse_this_python() {
    command -v python3 >/dev/null || fail "there is no python3; type: sudo apt install python3"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Lead12 needs Python 3.11 or newer, this is $(python3 --version); Debian 12 has it"
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python's venv module is missing; type: sudo apt install python3-venv"
    install -d /opt
    free_kb=$(df -Pk /opt | awk 'NR == 2 { print $4 }')
    [ "$free_kb" -ge $NEED_KB ] ||
        fail "/opt has $((free_kb / 1024)) MB free, $((NEED_KB / 1024)) MB are needed; make room"
}

# Run this script inside the other system, from a copy.
install_into_root() {
    work=$(mktemp -d "$root/var/tmp/lead12.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    inside=${work#"${root%/}"}
    if [ -n "$uninstall" ]; then
        cp -R "$here" "$work/systemd"
        chroot "$root" sh "$inside/systemd/install.sh" --uninstall
        return
    fi
    copy_sources "$work"
    if [ -n "$wheel" ]; then
        mkdir "$work/wheels"
        cp "$(dirname "$wheel")"/*.whl "$work/wheels/"
        set -- --wheel "$inside/wheels/$(basename "$wheel")"
    else
        set --
    fi
    chroot "$root" sh "$inside/systemd/install.sh" "$@"
}

copy_sources() {
    (cd "$here/.." && cp -R systemd locks constraints.txt pyproject.toml README.md LICENSE "$1/")
    for package in hal firmware device models tools; do
        cp -R "$here/../$package" "$1/"
    done
}

undo() {
    rm -rf "${LEAD12_HOME:?}/$new"
    rmdir "$LEAD12_HOME" 2>/dev/null || true
    fail "not installed; what was here before is untouched"
}

build_environment() {
    [ -n "$wheel" ] && what=$wheel || what=$here/..
    new=venv-$(date +%s)
    say "Lead12 and what it needs, in $LEAD12_HOME/$new (takes minutes)"
    trap 'exit 130' INT TERM
    trap undo EXIT
    install -d -m 0755 "$LEAD12_HOME"
    sh "$here/venv.sh" python3 "$LEAD12_HOME/$new" "$here/.." "$what"
    runs=$("$LEAD12_HOME/$new/bin/python" -I -c 'import device.acquire, device.monitor, tools.cli' 2>&1) ||
        fail "it does not run here: $(printf '%s\n' "$runs" | tail -n 1)"
    trap 'fail "not finished; mend what is said above and type the same again"' EXIT
    say "it works: it takes the place of what was here"
    turn_to "$new"
}

install_files() {
    say "units, users, rules for devices, the command lead12"
    sh "$here/files.sh" "$here" ''
}

refuse_what_cannot_work
if [ -n "$root" ]; then
    root=$(cd "$root" && pwd)
    install_into_root
elif [ -n "$uninstall" ]; then
    refuse_this_system
    stop_services
    sh "$here/files.sh" --remove "$here" ''
    rm -rf "$LEAD12_HOME"
    ! systemd_runs || systemctl daemon-reload
    say "removed"
    say_what_stays
else
    refuse_this_system
    refuse_this_python
    build_environment
    install_files
    make_accounts
    make_settings "$here/lead12.toml"
    start_services
    forget_the_others
    "$LEAD12_VENV/bin/python" -I -c 'import spidev' 2>/dev/null ||
        say "no front end on SPI yet: Python's spidev is missing; type: sudo apt install python3-spidev"
    trap - EXIT
    say "done; what is missing yet says: sudo lead12 doctor"
fi
