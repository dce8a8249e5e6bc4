#!/bin/sh
# Counts up to each number that it reads, for as long as it is let.
echo "Up to which number shall I count? For 999999999 my CPU time will not do."
while IFS= read -r end; do
	case $end in
	'' | *[!0-9]* | ??????????*) echo "! a number, please" && continue ;;
	esac
	i=0
	while [ "$i" -lt "$end" ]; do
		i=$((i + 1))
	done
	echo "$i, done"
done
