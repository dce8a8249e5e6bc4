#!/bin/sh
# Says hello to each name that it reads; what follows its own name in the path is how.
greeting=${PATH_INFO#/}
while IFS= read -r name; do
	printf '%s, %s!\n' "${greeting:-Hello}" "$name"
done
