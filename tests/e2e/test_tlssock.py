"""What the tests' own TLS says of an end: neither TCP's alone nor a reset may pass for one in good order."""
import select
import socket
import threading

import backends
import certs
import pytest
from test_faults_service import Heard
from tlsservice import VERSIONS, run_server_context
from tlssock import TlsSocket

pytestmark = pytest.mark.plain_only("there is no gateway")

ENDS = {
    "EOF": lambda tls: tls.shutdown(socket.SHUT_WR),
    "cut": lambda tls: tls.sock.shutdown(socket.SHUT_WR),
    "reset": backends.reset,
}


class Late(TlsSocket):
    """A service whose tickets are written when the connection is gone, and are told of it."""

    def flush_if_free(self):
        if self.shaken and self.goes.pending:
            poll = select.poll()
            poll.register(self.sock.fileno(), 0)  # POLLERR is always told
            assert poll.poll(60000), "no reset"
        super().flush_if_free()


PLAIN = [(TlsSocket, version, how) for version in VERSIONS for how in ENDS]


@pytest.mark.parametrize("service, version, how", [*PLAIN, (Late, "1.3", "reset")])
def test_how_it_ended(service, version, how):
    """All that came before it, and how. What a write was told of a reset, no read is told again."""
    ours, its = certs.run_context(), run_server_context(version)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def client():
            tls = TlsSocket(raw, ours)
            tls.sendall(b"one\n")
            ENDS[how](tls)

        thread = threading.Thread(target=client)
        thread.start()
        with listener.accept()[0] as sock:
            heard = Heard()
            end = heard.listen(service(sock, its, server=True))
        thread.join()
    assert (heard.data, end) == (b"one\n", how)
