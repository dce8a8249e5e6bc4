"""TLS from the command line: --ssl, --sslcert, --sslkey, --sslca, --redirport, and what must not be forgotten beside them."""
import shutil
import socket
import ssl

import certs
import pytest
import wsraw
from backends import free_port
from gateway import run


def serves(gateway, *argv, **options):
    """A gateway of these words, with log lines as tests read them."""
    return gateway(argv=["--set", "gateway.log_format=json", *argv], **options)


def echo(gw, **options):
    """A message there and back."""
    with gw.ws("/any", **options) as ws:
        ws.send_text("hello")
        assert ws.recv_text() == "hello"
        ws.close()


def plain(gw, port, data):
    """The response to bytes that are not encrypted."""
    with gw.connect(("127.0.0.1", port), tls=None) as raw:
        raw.send(data)
        return raw.response()


def test_serves(gateway):
    """wss and https on one port, with the certificate that it was given."""
    pair = certs.run_pair()
    gw = serves(gateway, *pair.options, "--port=0", "cat", tls=certs.run_context())
    echo(gw)
    assert gw.get("/").status == 200
    with gw.connect() as raw:
        assert raw.sock.tls.getpeercert(True) == pair.der


def test_client_certificates(gateway, tmp_path):
    """--sslca: who shows no certificate of that authority does not get in."""
    authority = certs.Authority(tmp_path / "people", "People")
    context = certs.client_context(pair=authority.issue("alice", names=()))
    options = [*certs.run_pair().options, f"--sslca={authority.certificate}", "--port=0", "cat"]
    gw = serves(gateway, *options, tls=context)
    echo(gw)
    stranger = certs.client_context(pair=certs.run_authority().issue("mallory", names=()))
    for refused in (certs.run_context(), stranger):
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError, AssertionError)):
            echo(gw, over=gw.connect(tls=refused))
    echo(gw)


def test_redirect(gateway):
    """--redirport: the same host at the port with TLS, whatever was asked for; nothing else is answered there."""
    port, redirect = free_port(), free_port()
    options = [*certs.run_pair().options, f"--port={port}", f"--redirport={redirect}", "cat"]
    gw = serves(gateway, *options, tls=certs.run_context())
    for host in ("example.org", f"localhost:{redirect}", "127.0.0.1"):
        answer = plain(gw, redirect, wsraw.request("/a%20b?c=d", host=host))
        if host == "example.org":
            assert answer.status == 421  # a loopback address answers local names only
            continue
        assert answer.status == 308
        assert answer.header("Location") == f"https://{host.partition(':')[0]}:{port}/a%20b?c=d"
    answer = plain(gw, redirect, wsraw.upgrade("/ws", host=f"localhost:{redirect}"))
    assert (answer.status, answer.header("Location")) == (308, f"https://localhost:{port}/ws")
    echo(gw)


def test_redirect_is_an_address_like_others(gateway):
    """A port that is taken is one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, err = run(*certs.run_pair().options, f"--port={free_port()}", f"--redirport={port}", "true")
    assert (status, out) == (1, "")
    wrong = [line for line in err.splitlines() if "ERROR" in line]
    assert len(wrong) == 1 and f"cannot listen address=127.0.0.1:{port} " in wrong[0], err


def test_dump_reads_back(tmp_path):
    """What the options mean in a file; the file means the same."""
    pair = certs.run_pair()
    options = [*pair.options, f"--sslca={certs.run_authority().certificate}", "--address=*", "--redirport=8080"]
    status, first, err = run(*options, "--dump", "cat")
    assert (status, err) == (0, "")
    keys, _, redirect = first.partition("[listen redirect]")
    for line in (
        "address = *:8443",
        f"tls_certificate = {pair.certificate}",
        f"tls_key = {pair.key}",
        f"tls_client_ca = {certs.run_authority().certificate}",
        "tls_client = require",
    ):
        assert line in keys.splitlines(), line
    for line in ("address = *:8080", "redirect_to = https://*:8443", "tls_certificate ="):
        assert line in redirect.splitlines(), line
    (tmp_path / "dumped.ini").write_text(first)
    assert run(f"--config={tmp_path}/dumped.ini", "--dump") == (0, first, "")


@pytest.mark.parametrize(
    "argv, status, words",
    [
        (["--ssl"], 2, "--ssl: needs --sslcert=FILE and --sslkey=FILE"),
        (["--ssl", "--sslcert=CERT"], 2, "--ssl: needs --sslkey=FILE"),
        (["--sslcert=CERT", "--ssl=false"], 2, "--sslcert: needs --ssl"),
        (
            ["SSL", "--port=0", "--redirport=80"],
            2,
            "--redirport: needs a port to lead to that is known: --port=PORT, not 0",
        ),
        (["SSL", "--redirport=x"], 2, '--redirport: must be a port from 1 to 65535, not "x"'),
        (
            ["--ssl", "--sslcert=/no/such", "--sslkey=KEY"],
            1,
            "--sslcert: /no/such: No such file or directory",
        ),
    ],
)
def test_mistakes(argv, status, words):
    """One line that names the option."""
    pair = certs.run_pair()
    words_of = {"SSL": pair.options, "CERT": pair.certificate, "KEY": pair.key}
    given = []
    for word in argv:
        option, _, value = word.partition("=")
        given += words_of["SSL"] if word == "SSL" else [f"{option}={words_of[value]}" if value in words_of else word]
    assert run(*given, "cat") == (status, "", f"wsluice: {words}\n")


def test_no_certificate_in_the_file(tmp_path):
    """A file that is there and no certificate: one line with its name, status 1."""
    (tmp_path / "cert.pem").write_text("no certificate\n")
    status, out, err = run(
        "--ssl", f"--sslcert={tmp_path}/cert.pem", f"--sslkey={certs.run_pair().key}", "--port=0", "true"
    )
    assert (status, out) == (1, "")
    assert "listening" not in err
    assert len([line for line in err.splitlines() if str(tmp_path / "cert.pem") in line]) == 1, err


@pytest.fixture
def beside(tmp_path):
    """A page's directory with a certificate and its key in it, and the options that use them."""
    pair = certs.run_pair()
    (tmp_path / "site").mkdir()
    for name, source in (("cert.pem", pair.certificate), ("key.pem", pair.key)):
        shutil.copy(source, tmp_path / "site" / name)
        (tmp_path / "site" / name).chmod(0o600)
    site = tmp_path / "site"
    return site, ["--ssl", f"--sslcert={site}/cert.pem", f"--sslkey={site}/key.pem", "--port=0"]


def test_key_that_would_be_served(beside):
    """A key beneath --staticdir: no start, one line, whatever else is there; --check says so too."""
    site, options = beside
    options = [*options, f"--staticdir={site}", "cat"]
    status, out, err = run(*options)
    assert (status, out) == (1, "")
    assert "listening" not in err
    wrong = [line for line in err.splitlines() if "ERROR" in line]
    assert len(wrong) == 1 and "anybody could download a TLS key" in wrong[0], err
    assert f"file={site}/key.pem static={site}" in wrong[0], err
    assert run("--check", *options) == (
        1,
        "",
        f"[listen default] tls_key: {site}/key.pem: anybody could download a TLS key: it lies in a static directory; move it out of there "
        f"(static = {site})\n",
    )


def test_key_that_would_not_be_served(gateway, beside, tmp_path):
    """The same key, but the page is elsewhere, or nothing whose name begins with a dot is looked for: it serves."""
    site, options = beside
    (tmp_path / "page").mkdir()
    assert run("--check", *options, f"--staticdir={tmp_path}/page", "cat") == (0, "ok\n", "")
    (site / "key.pem").rename(site / ".key.pem")
    options = [option.replace("/key.pem", "/.key.pem") for option in options]
    gw = serves(gateway, *options, f"--staticdir={site}", "cat", tls=certs.run_context())
    assert gw.get("/.key.pem").status == 404
    assert gw.get("/cert.pem").status == 200


def test_help_names_them():
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    for option in ("--ssl ", "--sslcert=FILE ", "--sslkey=FILE ", "--sslca=FILE ", "--redirport=PORT "):
        assert option in out, option
