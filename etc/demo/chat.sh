#!/bin/sh
# A visitor's end of a chat: what they type is appended to the room, and what is appended there is shown to all.
#   chat.sh ROOM      ROOM is a file in a directory that only the demo can write
# Every line that a visitor types gets the author's name in front, and taking a name is announced. All text is
# data (read -r, printf %s), so nothing in it is ever run.
set -u
room=$1
name=guest$$
reader=

say() {
	printf '%s\n' "$1" >>"$room"
}

leave() {
	[ -z "$reader" ] || say "* $name left"
	[ -z "$reader" ] || kill "$reader" 2>/dev/null
	exit 0
}

rename() {
	case $1 in
	'' | *[!A-Za-z0-9_-]* | ?????????????????????*)
		echo '! A name is 1 to 20 letters, digits, - or _.'
		;;
	*)
		say "* $name is now $1"
		name=$1
		;;
	esac
}

umask 077
ulimit -f 65536 # 32 MiB: a room that is full ends its sessions, not the disk
trap leave TERM INT HUP
echo "You are $name. Type to talk; /name NAME gives you another name."
touch "$room"
tail -n 20 -f "$room" &
reader=$!
say "* $name joined"

while IFS= read -r line; do
	case $line in
	'') ;;
	'/name '*) rename "${line#/name }" ;;
	*) say "$name: $line" ;;
	esac
done
leave
