#!/bin/sh
# deb.sh WHEEL [ARCH]: dist/lead12_VERSION_ARCH.deb from the wheel of Lead12. For another ARCH than
# this machine's, ready-made wheels are all it takes. The same input gives the same bytes.
set -eu
umask 022
wheel=$1
native=$(dpkg --print-architecture)
arch=${2:-$native}
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/.." && pwd)
python=${PYTHON:-python3}

case $arch in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*)
    echo "no package for $arch: numpy and LiteRT have no ready-made wheels for it; use install.sh" >&2
    exit 2
    ;;
esac
MULTIARCH=$machine-linux-gnu
minor=$("$python" -c 'import sys; print(sys.version_info[1])')
BASE=/usr/bin/python3.$minor # Debian's
export MULTIARCH BASE
version=$(basename "$wheel" | cut -d- -f2)
: "${SOURCE_DATE_EPOCH:=$(git -C "$sources" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
root=$work/root
mkdir -p "$root/DEBIAN" "$root/opt/lead12" "$sources/dist"

GLIBC=36 # 2.36, of Debian 12: wheels that want a newer one are left alone
set -- --python-version "3.$minor"
n=$GLIBC
while [ $n -ge 17 ]; do # the newest first, as pip prefers them on the machine itself
    set -- "$@" --platform "manylinux_2_${n}_$machine"
    n=$((n - 1))
done
set -- "$@" --platform "manylinux2014_$machine"
sh "$here/venv.sh" "$python" "$root/opt/lead12/venv-$version" "$sources" \
    "$wheel" "$@"
sh "$here/files.sh" "$here" "$root"

maintainer() { # NAME: its own lines behind the steps it shares with install.sh
    {
        printf '#!/bin/sh\nset -eu\nVERSION=%s\n' "$version"
        cat "$here/steps.sh" "$here/deb/$1"
    } >"$root/DEBIAN/$1"
    chmod 0755 "$root/DEBIAN/$1"
}
maintainer postinst
maintainer prerm
maintainer postrm

# Of files only: how large a folder is depends on the disk it was made on.
size_kb=$(find "$root" -type f -printf '%s\n' | awk '{ kb += int(($1 + 1023) / 1024) } END { print kb }')
cat >"$root/DEBIAN/control" <<TEXT
Package: lead12
Version: $version
Architecture: $arch
Maintainer: Lead12 <lead12@localhost>
Installed-Size: $size_kb
Depends: python3 (>= 3.$minor~), python3 (<< 3.$((minor + 1))~), libc6 (>= 2.$GLIBC), libstdc++6, zlib1g, systemd (>= 252), util-linux
Recommends: python3-spidev
Section: science
Priority: optional
Description: portable 12-lead ECG monitor (not a medical device)
 Reads an ADS1298 front end at 500 samples per second, filters in fixed point,
 classifies with int8 networks, shows the result on an OLED and sends it over a
 serial line. For research and teaching; never treat anyone by what it says.
TEXT

find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
chmod -R u=rwX,go=rX "$root"
(cd "$root" && find opt usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$work/md5sums"
install -m 0644 "$work/md5sums" "$root/DEBIAN/md5sums"
dpkg-deb --root-owner-group --uniform-compression -Zzstd -z6 --threads-max=1 --build "$root" \
    "$sources/dist/lead12_${version}_$arch.deb" >/dev/null
echo "dist/lead12_${version}_$arch.deb"
(cd "$sources/dist" && sha256sum "lead12_${version}_$arch.deb") >&2
