#!/bin/sh
# Installs the Debian packages that one purpose needs and that are missing, and says so; else does nothing.
#   tools/install.sh build|demo|check|bench
set -eu

build='gcc libc6-dev make pkg-config libevent-dev libssl-dev libinih-dev zlib1g-dev libsystemd-dev'
demo="$build procps"
check="$demo clang libclang-rt-14-dev clang-format shellcheck libcmocka-dev bc redis-server chromium ca-certificates
	python3 python3-pytest python3-pytest-timeout python3-pytest-xdist python3-websockets openssl curl sslscan systemd mandoc groff logrotate iproute2
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
	mosquitto ngircd openssh-client openssh-server postgresql postgresql-common tigervnc-standalone-server xterm nginx-light libnginx-mod-stream haproxy"
bench="$demo python3 nginx-light libnginx-mod-stream"

case ${1-} in
build) wanted=$build ;;
demo) wanted=$demo ;;
bench) wanted=$bench ;;
check)
	wanted=$check
	# A node that did not come from Debian serves as well, and would conflict with Debian's.
	command -v node >/dev/null || wanted="$wanted nodejs"
	command -v npm >/dev/null || wanted="$wanted npm"
	;;
*)
	echo "usage: tools/install.sh build|demo|check|bench" >&2
	exit 2
	;;
esac

if ! command -v apt-get >/dev/null; then
	echo "install: no apt-get here; what Debian calls these must be there: $wanted"
	exit 0
fi

missing=
for package in $wanted; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=absent
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	as_root=sudo
	command -v sudo >/dev/null || {
		echo "install: neither root nor sudo; run as root: apt-get install$missing" >&2
		exit 1
	}
fi
echo "install:${as_root:+ with sudo} apt-get install$missing"
$as_root apt-get update -q
# RUNLEVEL=1 keeps a service among them from being started.
# shellcheck disable=SC2086 # the list is to be split
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $missing

# Nor shall those that are new here start with the machine from now on: the tests start their own.
command -v systemctl >/dev/null || exit 0
# shellcheck disable=SC2086
for unit in $(dpkg -L $missing | grep -v '/systemd-[^/]*$' | grep -Eo '/systemd/system/[^/@]*\.(service|socket)$'); do
	$as_root systemctl -q disable "${unit##*/}" || echo "install: ${unit##*/} is still enabled" >&2
done
