# The steps that install.sh and the maintainer scripts of the Debian package share. POSIX sh,
# sourced; each may run again at any time and after any interruption.
# shellcheck shell=sh

LEAD12_HOME=/opt/lead12
LEAD12_VENV=$LEAD12_HOME/.venv # a link: what it names is built whole, then it is turned
LEAD12_CONFIG=/etc/lead12
LEAD12_STATE=/var/lib/lead12
LEAD12_SERVICES="lead12-acquire.service lead12-monitor.service"
LEAD12_ENABLED="$LEAD12_SERVICES lead12-housekeeping.timer"
LEAD12_UNITS="lead12-again.timer lead12-degraded.service lead12-housekeeping.service $LEAD12_ENABLED"

say() { printf 'lead12: %s\n' "$*"; }

fail() {
    printf 'lead12: %s\n' "$*" >&2
    exit 1
}

systemd_runs() { [ -d /run/systemd/system ]; } # not in a chroot, where an image is made

# Users and the folders they own. Needs sysusers.d and tmpfiles.d in place.
make_accounts() {
    say "users lead12 and lead12-acquire, folders $LEAD12_CONFIG, $LEAD12_STATE, /run/lead12"
    systemd-sysusers lead12.conf
    install -d -m 0750 -o root -g lead12 "$LEAD12_CONFIG"
    install -d -m 0750 -o lead12 -g lead12 "$LEAD12_STATE"
    ! systemd_runs || systemd-tmpfiles --create lead12.conf # else with the next boot
}

# Settings ($1: the example) and the key of the serial line, where there are none.
make_settings() {
    if [ ! -e "$LEAD12_CONFIG/lead12.toml" ]; then
        say "settings: $LEAD12_CONFIG/lead12.toml, for an ADS1298, an SSD1322 and /dev/serial0"
        install_whole "$1" "$LEAD12_CONFIG/lead12.toml"
    fi
    if [ ! -s "$LEAD12_CONFIG/serial.key" ]; then
        say "a new key for the serial line: $LEAD12_CONFIG/serial.key"
        made=$(mktemp "$LEAD12_CONFIG/.serial.key.XXXXXX") # 0600
        od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n' >"$made"
        echo >>"$made"
        install_whole "$made" "$LEAD12_CONFIG/serial.key"
        rm -f "$made"
    fi
}

# $1 to $2, root:lead12 0640, never half of it.
install_whole() {
    install -m 0640 -o root -g lead12 "$1" "$2.new"
    sync "$2.new"
    mv -f "$2.new" "$2"
}

# Turn .venv to the folder $1 beside it, in one rename.
turn_to() {
    ln -sfn "$1" "$LEAD12_VENV.new"
    mv -fT "$LEAD12_VENV.new" "$LEAD12_VENV"
    sync "$LEAD12_HOME"
}

# Remove every environment but the one in use.
forget_the_others() {
    used=$(readlink "$LEAD12_VENV")
    for folder in "$LEAD12_HOME"/venv-*; do
        [ "${folder##*/}" = "$used" ] || rm -rf "$folder"
    done
}

start_services() {
    # shellcheck disable=SC2086  # lists of units
    systemctl --quiet enable $LEAD12_ENABLED
    if ! systemd_runs; then
        say "the monitor starts with the next boot of this system"
        return 0
    fi
    say "the monitor starts"
    systemctl daemon-reload
    udevadm control --reload 2>/dev/null || true # a container has none
    udevadm trigger --subsystem-match=spidev --subsystem-match=i2c-dev \
        --subsystem-match=gpio 2>/dev/null || true
    systemctl try-restart systemd-journald.service
    systemctl start systemd-modules-load.service || true # no such bus: the monitor says so itself
    # shellcheck disable=SC2086
    systemctl reset-failed $LEAD12_UNITS 2>/dev/null || true
    # shellcheck disable=SC2086
    systemctl restart $LEAD12_ENABLED ||
        say "it did not start; see: journalctl -u lead12-acquire -u lead12-monitor"
}

stop_services() {
    if systemd_runs; then
        say "the monitor stops"
        # shellcheck disable=SC2086
        systemctl stop $LEAD12_UNITS 2>/dev/null || true
    fi
    # shellcheck disable=SC2086
    systemctl --quiet disable $LEAD12_ENABLED 2>/dev/null || true
}

# What is left when the program is gone.
say_what_stays() {
    say "kept: $LEAD12_CONFIG (settings, key) and $LEAD12_STATE (records, models)"
}
