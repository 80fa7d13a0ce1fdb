#!/bin/sh
# files.sh [--remove] SOURCES ROOT: the files of Lead12 outside /opt, into or out of ROOT.
set -eu
remove=''
if [ "$1" = --remove ]; then
    remove=yes
    shift
fi
sources=$1 root=$2

place() { # MODE SOURCE TARGET
    if [ -n "$remove" ]; then
        rm -f "$root$3"
    else
        install -D -m "$1" "$sources/$2" "$root$3"
    fi
}

place 0755 lead12 /usr/bin/lead12
for unit in "$sources"/lead12-*.service "$sources"/lead12-*.timer; do
    name=${unit##*/}
    place 0644 "$name" "/usr/lib/systemd/system/$name"
done
place 0644 lead12-.service.d/sandbox.conf /usr/lib/systemd/system/lead12-.service.d/sandbox.conf
place 0644 sysusers.conf /usr/lib/sysusers.d/lead12.conf
place 0644 tmpfiles.conf /usr/lib/tmpfiles.d/lead12.conf
place 0644 modules.conf /usr/lib/modules-load.d/lead12.conf
place 0644 journald.conf /usr/lib/systemd/journald.conf.d/lead12.conf
place 0644 system.conf /usr/lib/systemd/system.conf.d/lead12.conf
place 0644 udev.rules /usr/lib/udev/rules.d/99-lead12.rules
place 0644 lead12.toml /usr/share/lead12/lead12.toml
if [ -n "$remove" ]; then
    rmdir "$root/usr/lib/systemd/system/lead12-.service.d" "$root/usr/share/lead12" 2>/dev/null || true
fi
