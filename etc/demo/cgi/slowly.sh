#!/bin/sh
# An answer that comes while it is made: a line every half a second, ten of them.
printf 'Content-Type: text/plain; charset=utf-8\nCache-Control: no-store\n\n'
i=1
while [ $i -le 10 ]; do
	printf 'line %d of 10\n' $i
	i=$((i + 1))
	sleep 0.5
done
