#!/bin/sh
# A page with a form, and what it does with what is sent: the body is this program's input, what it prints the answer.
# The form sends plain text, one "name=value" a line, which needs no decoding; all of it is data, and escaped.
escape() {
	sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
}

head_of_page() {
	cat <<-'PAGE'
		<!doctype html>
		<title>Guest book</title>
		<meta name="viewport" content="width=device-width, initial-scale=1">
		<link rel="icon" href="data:,">
		<link rel="stylesheet" href="/demo.css">
	PAGE
}

printf 'Content-Type: text/html; charset=utf-8\nCache-Control: no-store\n\n'
head_of_page
case $REQUEST_METHOD in
POST)
	printf '<h1>Thank you</h1>\n<pre>'
	head -c "${CONTENT_LENGTH:-0}" | tr -d '\r' | escape
	printf '</pre>\n<p><a href="%s">again</a></p>\n' "$(printf %s "$SCRIPT_NAME" | escape)"
	;;
*)
	cat <<-'PAGE'
		<h1>Guest book</h1>
		<form method="post" enctype="text/plain">
			<p><label>Name <input name="name" value="Ann"></label> <button>Send</button></p>
		</form>
	PAGE
	;;
esac
