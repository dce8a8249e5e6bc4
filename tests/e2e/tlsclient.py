"""What TLS tests do to a gateway besides being a client: handshakes cut in pieces, and what Python's ssl can't ask for."""
import base64
import ctypes
import socket
import ssl
import subprocess

import certs
import pytest
import wsraw

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
VERSIONS = {"1.2": TLS12, "1.3": TLS13}
ECHO = {
    "route /ws": {"exec": "cat", "framing": "records"},
    "route /env": {"exec": "env -0", "framing": "stream"},
    "route /page": {"console": "yes"},
}
GET = "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def context(version=None, **options):
    """A client's context, of one version only if told."""
    it = certs.client_context(**options)
    if version:
        it.minimum_version = it.maximum_version = version
    return it


def any_server(it):
    """The context, for servers of any name and authority."""
    it.check_hostname = False
    it.verify_mode = ssl.CERT_NONE
    return it


@certs.once
def issue(name, **options):
    """A pair of this run's authority."""
    return certs.run_authority().issue(name, **options)


def client_listener(**keys):
    return {**certs.run_pair().keys, "tls_client_ca": certs.run_authority().certificate, **keys}


def echoes(gw, **options):
    """A session over a connection of its own: the SSLObject, when it is over."""
    with gw.ws("/ws", over=gw.connect(**options)) as ws:
        ws.send_text("hello")
        assert ws.recv_text() == "hello"
        ws.close()
        return ws.sock.tls


def alert_of(gw, **options):
    """What the gateway says against a handshake."""
    with pytest.raises(ssl.SSLError) as error, gw.connect(**options) as raw:
        raw.sock.recv(1)  # in TLS 1.3 the client has finished before the server judges it
    return str(error.value).lower().replace("_", " ")


def s_client(gw, *words, say=None, path="/page"):
    """`openssl s_client` to the end of the connection: its exit status, and what it and the gateway said."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", gw.host, "-CAfile", certs.run_authority().certificate, "-servername",
         "localhost", "-verify_return_error", "-ign_eof", *map(str, words)],
        input=(GET.format(path=path) if say is None else say).encode(), capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


class Handshake:
    """A client's handshake by hand: what it would send next is taken, cut, and sent by the test."""

    def __init__(self, raw, its_context, name="localhost"):
        self.raw = raw
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = its_context.wrap_bio(self.came, self.goes, server_hostname=name)

    def next(self):
        """The next flight; reads from the gateway until there is one, or the handshake is over (what then is left)."""
        while True:
            try:
                self.tls.do_handshake()
                return self.goes.read()
            except ssl.SSLWantReadError:
                pass
            if flight := self.goes.read():
                return flight
            data = self.raw.sock.recv(65536)
            assert data, "the gateway ended the handshake"
            self.came.write(data)


def records(flight):
    """A flight as TLS records."""
    while flight:
        n = 5 + int.from_bytes(flight[3:5], "big")
        yield flight[:n]
        flight = flight[n:]


class Calls:
    """Calls of OpenSSL that Python has no name for, on an SSLObject of this process."""

    SSL_AT = 24  # of PySSLSocket: the object's head of two words, a weak reference, and then the SSL
    KEY_UPDATE_REQUESTED = 1

    def __init__(self, tls):
        self.lib = ctypes.CDLL("libssl.so.3")
        self.ssl = ctypes.c_void_p.from_address(id(tls._sslobj) + self.SSL_AT)
        self.lib.SSL_get_version.restype = ctypes.c_char_p
        assert self.lib.SSL_get_version(self.ssl).decode() == tls.version(), "not where it was in Python 3.11"

    def update_keys(self):
        """Queues a KeyUpdate that asks the peer for one."""
        assert self.lib.SSL_key_update(self.ssl, self.KEY_UPDATE_REQUESTED) == 1
        assert self.lib.SSL_do_handshake(self.ssl) == 1

    def renegotiate(self):
        """Queues the hello of a renegotiation."""
        assert self.lib.SSL_renegotiate(self.ssl) == 1
        self.lib.SSL_do_handshake(self.ssl)


def elements(der):
    """The elements of a DER SEQUENCE, each whole."""

    def head(at):
        n, size = der[at + 1], 2
        if n & 0x80:
            size += n & 0x7F
            n = int.from_bytes(der[at + 2 : at + size], "big")
        return size, n

    size, _ = head(0)
    at = size
    while at < len(der):
        size, n = head(at)
        yield der[at : at + size + n]
        at += size + n


def der(tag, content):
    """One DER element."""
    n = len(content)
    length = bytes([n]) if n < 128 else bytes([0x82]) + n.to_bytes(2, "big")
    return bytes([tag]) + length + content


def allow_early_data(session):
    """A session file of s_client as if the server had promised to take early data (max_early_data is [15])."""
    parts = list(elements(pem_decode(session.read_text())))
    promise = der(0xAF, der(0x02, (16384).to_bytes(2, "big")))
    assert not any(part[0] == 0xAF and len(part) > 5 for part in parts), "early data is allowed already"
    parts = [part for part in parts if part[0] != 0xAF]
    at = next((i for i, part in enumerate(parts) if part[0] > 0xAF), len(parts))
    parts.insert(at, promise)
    text = base64.encodebytes(der(0x30, b"".join(parts))).decode()
    session.write_text(f"-----BEGIN SSL SESSION PARAMETERS-----\n{text}-----END SSL SESSION PARAMETERS-----\n")


def pem_decode(text):
    """The bytes of a PEM block of any kind."""
    return base64.b64decode("".join(line for line in text.splitlines() if not line.startswith("-----")))


def plain(gw, **options):
    """A connection without TLS, whatever the gateway speaks."""
    return wsraw.connect(("127.0.0.1", gw.port), tls=None, **options)


def is_closed(raw):
    """Reads the end of a plain socket, after whatever comes before it."""
    try:
        while raw.sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def socket_of(raw):
    """The TCP socket below."""
    return raw.sock if isinstance(raw.sock, socket.socket) else raw.sock.sock
