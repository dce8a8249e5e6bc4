#!/bin/sh
# Prints docs/wsluice.ini.5: the frame docs/wsluice.ini.5.in, in which each line "@KEYS SECTION@" becomes the keys of
# that section, as the program itself describes them (--help-config). `make man` writes the page;
# tests/check-options.sh sees that it is current.
#   WSLUICE=build/wsluice tools/man.sh >docs/wsluice.ini.5
set -eu
cd "$(dirname "$0")/.."
wsluice=${WSLUICE:-build/wsluice}

help=$("$wsluice" --help-config)
printf '%s\n' "$help" | awk '
	# What roff would take for something else, and a sentence a line.
	function roff(words) {
		gsub(/\\/, "\\e", words)
		gsub(/-/, "\\-", words)
		gsub(/\047/, "\\(aq", words)
		gsub(/`/, "\\(ga", words)
		gsub(/\. /, ".\n", words)
		return words
	}
	# A key: its name and default, what it does, what it takes.
	function key(section, name, value) {
		keys[section] = keys[section] ".It Cm " name (value == "" ? "" : " No = Cm " roff(value)) "\n" \
			roff(text) "\n" "Takes " roff(form) "\n"
		text = form = ""
	}
	# First what the program says: comment lines, the last of them "Value: ...", then the key, commented out too.
	FNR == NR && /^(#?\[)/ { gsub(/[^a-z ]/, ""); section = $1; text = form = ""; next }
	FNR == NR && /^$/ { text = form = ""; next }
	FNR == NR && /^#[a-z0-9_]+ =/ {
		name = $1
		sub(/^#/, "", name)
		sub(/^#[a-z0-9_]+ = */, "")
		gsub(/ \((500ms, 10s, 5m, 1h|4096, 64k, 1M)\)/, "", form) # the page says it once
		key(section, name, $0)
		next
	}
	FNR == NR && /^# Value: / { form = substr($0, 10); next }
	FNR == NR && /^# / {
		if (form != "") form = form " " substr($0, 3)
		else text = text (text == "" ? "" : " ") substr($0, 3)
	}
	FNR == NR { next }
	# Then the frame.
	/^@KEYS [a-z]+@$/ {
		gsub(/@/, "")
		if (keys[$2] == "") { print "man.sh: no keys of " $2 > "/dev/stderr"; exit 1 }
		printf ".Bl -tag -width 4n\n%s.El\n", keys[$2]
		next
	}
	{ print }
' - docs/wsluice.ini.5.in
