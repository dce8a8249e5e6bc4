#!/bin/sh
# Installs the Debian packages that one purpose needs and that are missing, and says so; else does nothing.
#   tools/install.sh build|demo|check|bench
set -eu

build='gcc libc6-dev make pkg-config libevent-dev libssl-dev libinih-dev libjansson-dev zlib1g-dev libsystemd-dev'
demo="$build procps"
check="$demo clang libclang-rt-14-dev clang-format shellcheck libcmocka-dev bc redis-server chromium ca-certificates
	python3 python3-pytest python3-pytest-timeout python3-pytest-xdist python3-websockets openssl curl sslscan systemd mandoc groff logrotate iproute2 git valgrind libc6-dbg strace
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
	bash vim less htop mc tmux
	mosquitto ngircd openssh-client openssh-server postgresql postgresql-common tigervnc-standalone-server xterm nginx-light libnginx-mod-stream haproxy python3-pygal"
bench="$demo python3 openssl nginx-light libnginx-mod-stream haproxy lighttpd lighttpd-mod-openssl websocketd websockify python3-pygal"

# A node that did not come from Debian serves as well, and would conflict with Debian's.
node=
command -v node >/dev/null || node="$node nodejs"
command -v npm >/dev/null || node="$node npm"

case ${1-} in
build) wanted=$build ;;
demo) wanted="$demo $node" ;;
bench) wanted=$bench ;;
check) wanted="$check $node" ;;
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
installed() {
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p'
}
before=$(installed)
echo "install:${as_root:+ with sudo} apt-get install$missing"
$as_root apt-get update -q
# RUNLEVEL=1 keeps a service among them from being started.
# shellcheck disable=SC2086 # the list is to be split
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $missing

# Nor shall those that are new here, or came with them, start with the machine from now on: the tests start their own.
command -v systemctl >/dev/null || exit 0
# shellcheck disable=SC2046,SC2086
for unit in $(dpkg -L $(installed | grep -vxF "$before") | grep -v '/systemd-[^/]*$' | grep -Eo '/systemd/system/[^/@]*\.(service|socket)$'); do
	$as_root systemctl -q disable "${unit##*/}" || echo "install: ${unit##*/} is still enabled" >&2
done
