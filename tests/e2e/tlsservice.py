"""Services that speak TLS, for tests: what they are and do may change from one connection to the next."""
import functools
import socket
import ssl
from contextlib import contextmanager

import backends
import certs
from tlssock import TlsSocket

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(pair=None, version=None, clients=None):
    """What a service needs that shows a pair (this run's unless told), of one version if told, and demands certificates
    of an authority's if told."""
    pair = pair or certs.run_pair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if version:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    if clients:
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@functools.cache
def run_server_context(version):
    return server_context(version=version)


def echo(it, tls):
    """Sends back what comes, ends as it should when the peer ends."""
    while data := it.read(tls):
        tls.sendall(data)
    tls.shutdown(socket.SHUT_WR)


class TlsService(backends.Service):
    """Hands handler(service, TlsSocket) to each connection; `plain` gets the socket as it is. Notes names that it was
    asked for, certificates that it was shown, and handshakes that failed."""

    def __init__(self, handler=echo, context=None, **options):
        self.tls_handler = handler
        self.plain = None
        self.context = context or run_server_context("1.3")
        self.names, self.shown, self.failures = [], [], []
        self.notified = 0  # connections that ended with close_notify
        super().__init__(TlsService.shake, **options)
        self.uri = self.uri.replace("tcp://", "tls://")

    @property
    def port(self):
        return int(self.uri.rsplit(":", 1)[1])

    def shake(self, sock):
        if self.plain:
            self.plain(sock)
            return
        self.context.sni_callback = lambda tls, name, context: self.names.append(name)
        try:
            tls = TlsSocket(sock, self.context, server=True)
        except (ssl.SSLError, EOFError) as error:
            self.failures.append(error)
            sock.close()
            return
        self.shown.append(tls.tls.getpeercert(True))
        try:
            self.tls_handler(self, tls)
        finally:
            self.notified += tls.notified

    def serves(self, handler=None, context=None, plain=None):
        """What it does from now on; it has seen nothing yet."""
        self.dismiss()
        self.tls_handler, self.plain = handler or echo, plain
        self.context = context or run_server_context("1.3")
        self.names, self.shown, self.failures = [], [], []
        self.received, self.at_eof, self.resets, self.notified = b"", 0, 0, 0
        return self


@contextmanager
def tls_service(*args, **options):
    it = TlsService(*args, **options)
    try:
        yield it
    finally:
        it.close()
