#!/bin/sh
# Says on stderr what it does, on stdout what came of it, and ends with a status that tells how it went.
for part in one two three; do
	echo "working on part $part" >&2
	sleep 0.3
	echo "part $part is done"
done
echo "there is no part four" >&2
exit 3
