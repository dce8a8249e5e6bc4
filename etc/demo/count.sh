#!/bin/sh
# Counts to 20, twice a second. One printf is one write, so each line leaves at once.
i=1
while [ $i -le 20 ]; do
	printf '%d\n' $i
	i=$((i + 1))
	sleep 0.5
done
