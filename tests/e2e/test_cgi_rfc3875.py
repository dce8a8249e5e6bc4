"""RFC 3875 (CGI/1.1), rule by rule, with programs in sh, perl and python. What a program is told (4.1) is in
test_cgi_environment.py, what can go wrong in test_cgi.py."""
import random

import pytest
import wsraw
from gateway import Gateway
from scripts import script

pytestmark = pytest.mark.plain_only("what a program says has nothing to do with how its client came")

# The same program in each language: prints the bytes of its file `NAME.out`, so that a test says what they are, behind
# what it has read of its input.
SAY = {
    "sh": 'cat "$0.out"\n',
    "perl": "binmode STDOUT; open(my $f, '<:raw', \"$0.out\") or die; print while <$f>;\n",
    "python": "import shutil, sys\nshutil.copyfileobj(open(sys.argv[0] + '.out', 'rb'), sys.stdout.buffer)\n",
}
READ = {
    "sh": "printf 'Content-Type: text/plain\\n\\n'\nhead -c \"$CONTENT_LENGTH\"; echo; cat | wc -c",
    "perl": "binmode STDIN; $n = read(STDIN, $b, $ENV{CONTENT_LENGTH}); $r = read(STDIN, $c, 100);\n"
    'print "Content-Type: text/plain\\n\\n$b\\n$r\\n";\n',
    "python": "import os, sys\nb = sys.stdin.buffer.read(int(os.environ['CONTENT_LENGTH'])).decode()\n"
    "print('Content-Type: text/plain\\n\\n%s\\n%d' % (b, len(sys.stdin.buffer.read(100))))\n",
}
# Form parameters as each language reads them.
FORM = {
    "sh": "read -r form\nprintf 'Content-Type: text/plain\\n\\n%s %s' \"$CONTENT_TYPE\" \"$form\"",
    "perl": "read(STDIN, $_, $ENV{CONTENT_LENGTH}); print \"Content-Type: text/plain\\n\\n$ENV{CONTENT_TYPE} $_\";\n",
    "python": "import os, sys, urllib.parse\nf = sys.stdin.read()\nassert urllib.parse.parse_qs(f)['b'] == ['c d']\n"
    "print('Content-Type: text/plain\\n\\n' + os.environ['CONTENT_TYPE'], f, end='')\n",
}
FIRST = {"sh": "#!/bin/sh\n", "perl": "#!/usr/bin/perl\n", "python": "#!/usr/bin/python3\n"}
LANGUAGES = sorted(FIRST)


def GATEWAY(directory):
    cgi = directory / "cgi"
    for language in LANGUAGES:
        for name, text in (("say", SAY), ("read", READ), ("form", FORM)):
            script(cgi, f"{name}.{language}", "").write_text(FIRST[language] + text[language])
    script(cgi / "sub", "where", "printf 'Content-Type: text/plain\\n\\n'\npwd -P\nprintf '%s\\n' \"$#\" \"$@\"")
    site = directory / "site"
    site.mkdir()
    (site / "page.html").write_text("a page\n")
    return Gateway(directory, {"route /cgi-bin/*": {"cgi": cgi}, "route /site/*": {"static": site}})


IN_SH = pytest.mark.parametrize("says", ["sh"], indirect=True)  # where the language is of no matter


@pytest.fixture(params=LANGUAGES)
def says(gw, request):
    """A function: a program that says these bytes, asked for; the response."""

    def say(output, status=200, method="GET", headers=()):
        program = gw.dir / f"cgi/say.{request.param}"
        program.with_name(program.name + ".out").write_bytes(output)
        answer = gw.get(f"/cgi-bin/{program.name}", method, headers)
        assert answer.status == status, (answer, answer.body)
        return answer

    return say


# 4.2 Request Message-Body


@pytest.mark.parametrize("language", LANGUAGES)
def test_4_2_body(gw, language):
    """Exactly CONTENT_LENGTH bytes, and then the end of the file; whatever they are."""
    for body in (b"a", b"one\ntwo\n", "tüt\n".encode()):
        headers = [("Content-Length", len(body)), ("Connection", "close")]
        answer = gw.http(wsraw.request(f"/cgi-bin/read.{language}", "POST", gw.host, headers=headers) + body)
        assert answer.body.split() == [*body.split(), b"0"], answer.body


@pytest.mark.parametrize("language", LANGUAGES)
def test_4_2_form(gw, language):
    form, type_ = b"a=1&b=c+d", "application/x-www-form-urlencoded"
    headers = [("Content-Type", type_), ("Content-Length", len(form)), ("Connection", "close")]
    answer = gw.http(wsraw.request(f"/cgi-bin/form.{language}", "POST", gw.host, headers=headers) + form)
    assert answer.text == f"{type_} {form.decode()}"


# 4.3 Request Methods, 4.4 The Script Command Line


def test_4_3_2_head(says):
    """The program need not know: no body goes out."""
    answer = says(b"Content-Type: text/plain\nX-A: b\n\nbody", method="HEAD")
    assert (answer.header("Content-Type"), answer.header("X-A"), answer.body) == ("text/plain", "b", b"")


@pytest.mark.parametrize("query", ["", "?word", "?one+two", "?-s", "?--help+-v", "?a=b"])
def test_4_4_no_command_line(gw, query):
    """An indexed query would be arguments, which nobody may be given by a client (CVE-2012-1823)."""
    assert gw.get(f"/cgi-bin/sub/where{query}").text.split()[1:] == ["0"]


# 6.2.1 Document Response


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_6_2_1_document(says, newline):
    answer = says(newline.join([b"Content-Type: text/html; charset=utf-8", b"", b"<p>one\ntwo\r\n\0\xff"]))
    assert answer.phrase == "OK"
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert answer.body == b"<p>one\ntwo\r\n\0\xff"


def test_6_2_1_status(says):
    answer = says(b"Status: 404 No such fish\nContent-Type: text/plain\n\nnone", status=404)
    assert (answer.phrase, answer.body) == ("No such fish", b"none")
    assert says(b"Content-Type: text/plain\nStatus: 404\n\nnone", status=404).phrase == "Not Found"


def test_6_2_1_empty_document(says):
    assert says(b"Content-Type: text/plain\n\n").body == b""


# 6.2.2 Local Redirect Response


def test_6_2_2_local_redirect(says):
    """As if the client had asked for it."""
    answer = says(b"Location: /site/page.html\n\n")
    assert (answer.text, answer.header("Location")) == ("a page\n", None)
    assert answer.header("Content-Type").startswith("text/html")
    says(b"Location: /site/no-such.html\r\n\r\n", status=404)
    assert says(b"Location: /cgi-bin/sub/where?a=b\n\n").text.split()[1:] == ["0"]


def test_6_2_2_headers_are_kept(says):
    """It is the same client still, which may want a part of it."""
    answer = says(b"Location: /site/page.html\n\n", status=206, headers=[("Range", "bytes=2-5")])
    assert answer.body == b"page"


# 6.2.3 Client Redirect Response, 6.2.4 Client Redirect Response with Document


@IN_SH
@pytest.mark.parametrize("location", ["http://example.org/x?y=z#part", "https://example.org", "mailto:a@example.org"])
def test_6_2_3_client_redirect(says, location):
    answer = says(f"Location: {location}\n\n".encode(), status=302)
    assert (answer.header("Location"), answer.body, answer.phrase) == (location, b"", "Found")


def test_6_2_4_client_redirect_with_document(says):
    output = b"Status: 301 Gone there\nLocation: https://example.org/\nContent-Type: text/plain\n\nIt is there."
    answer = says(output, status=301)
    assert (answer.header("Location"), answer.body) == ("https://example.org/", b"It is there.")


def test_6_2_4_path_with_document(says):
    """A path that is not alone is for the client."""
    answer = says(b"Status: 303\nLocation: /site/page.html\nContent-Type: text/plain\n\nx", status=303)
    assert (answer.header("Location"), answer.phrase) == ("/site/page.html", "See Other")


# 6.3 Response Header Fields


@IN_SH
@pytest.mark.parametrize(
    "output",
    [
        b"\n",  # no field at all
        b"X-A: b\n\nbody",  # none of the three that there must be one of
        b" Content-Type: text/plain\n\n",  # white space in front
        b"Content-Type: text/plain\n folded\n\n",  # no continuation lines
        b"Content Type: text/plain\n\n",
        b"Content-Type : text/plain\n\n",
        b": text/plain\n\n",
        b"Content-Type: text/plain\nno colon\n\n",
        b"Content-Type: text/plain\nContent-Type: text/html\n\n",  # each field once
        b"Status: 200\nStatus: 404\n\n",
        b"Status: OK\n\n",
        b"Status: 99\n\n",
        b"Status: 600\n\n",
        b"Status: 100 Continue\n\n",
        b"HTTP/1.1 200 OK\nContent-Type: text/plain\n\n",  # 5: no non-parsed headers
        b"Content-Type: text/plain\0\n\n",
        b"Content-Type: text/plain\rX-A: b\n\n",
        b"Content-Type:\n\n",
        b"Location: relative\n\n",
        b"Location: /a b\n\n",
        b"Content-Type: text/plain",  # no end
        b"Content-Type: text/plain\n",
    ],
)
def test_6_3_what_is_no_head(says, output):
    answer = says(output, status=502)
    assert answer.header("Content-Type") == "text/plain; charset=utf-8", "the answer is ours"


def test_6_3_names_are_not_case_sensitive(says):
    answer = says(b"cONTENT-tYPE: text/plain\nSTATUS: 201 made\n\n", status=201)
    assert answer.header("Content-Type") == "text/plain"


def test_6_3_white_space(says):
    """None is needed behind the colon, and what is there does not count."""
    answer = says(b"Content-Type:text/plain\nX-A: \t b c \t\nX-Empty:\n\n")
    assert (answer.header("X-A"), answer.header("X-Empty")) == ("b c", "")


def test_6_3_1_type_is_not_guessed(says):
    """Without a document there need be no type; where there is one it is not looked for in the bytes."""
    answer = says(b"Status: 200\n\n<html>")
    assert answer.header("Content-Type") is None
    assert answer.header("X-Content-Type-Options") == "nosniff"


@IN_SH
@pytest.mark.parametrize("status", [200, 299, 404, 500, 599])
def test_6_3_3_any_status(says, status):
    assert says(f"Status: {status} A word\nContent-Type: text/plain\n\nx".encode(), status=status).phrase == "A word"


@IN_SH
@pytest.mark.parametrize("status", [204, 205, 304])
def test_6_3_3_status_without_document(says, status):
    """What the program says all the same goes nowhere, and the next response is where it should be."""
    answer = says(f"Status: {status}\nX-A: b\n\nbody".encode(), status=status)
    assert answer.body == b"" and answer.header("X-A") == "b" and answer.header("Transfer-Encoding") is None


def test_6_3_4_protocol_headers(says):
    """HTTP's own fields go to the client, in their order and as often as they came."""
    fields = b"Set-Cookie: a=1\nCache-Control: max-age=5\nSet-Cookie: b=2\nETag: \"x\"\nRetry-After: 3\n"
    answer = says(b"Content-Type: text/plain\n" + fields + b"Status: 503 Later\n\nx", status=503)
    assert answer.all("Set-Cookie") == ["a=1", "b=2"]
    got = [answer.header(name) for name in ("Cache-Control", "ETag", "Retry-After")]
    assert got == ["max-age=5", '"x"', "3"]


def test_6_3_4_what_only_the_server_knows(says):
    """Fields about the connection are the server's: those of the program are left out."""
    fields = b"Connection: keep-alive\nTransfer-Encoding: gzip\nDate: yesterday\nTrailer: x\nProxy-Authenticate: y\n"
    answer = says(b"Content-Type: text/plain\n" + fields + b"\nbody")
    assert answer.body == b"body" and answer.header("Connection") == "close"
    assert answer.header("Transfer-Encoding") == "chunked" and "GMT" in answer.header("Date")
    assert answer.header("Trailer") is None and answer.header("Proxy-Authenticate") is None


def test_6_3_5_extension_headers(says):
    assert says(b"Content-Type: text/plain\nX-CGI-Own: kept\n\n").header("X-CGI-Own") == "kept"


# 6.4 Response Message-Body


def test_6_4_document_is_not_changed(says):
    body = random.Random(6).randbytes(200_000)
    assert says(b"Content-Type: application/octet-stream\n\n" + body).body == body


def test_6_4_length(says):
    answer = says(b"Content-Type: text/plain\nContent-Length: 4\n\nbody")
    assert (answer.header("Content-Length"), answer.body) == ("4", b"body")
    assert says(b"Content-Type: text/plain\nContent-Length: 0\n\n").header("Content-Length") == "0"


# 7.2 UNIX


def test_7_2_directory(gw):
    """A program is where its file is."""
    assert gw.get("/cgi-bin/sub/where").text.split()[0] == str((gw.dir / "cgi/sub").resolve())
