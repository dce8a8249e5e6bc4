"""TLS with the interface of a socket, a client's or a service's, for what ssl.SSLSocket can't do: end its side and read on.

One thread may send while another one receives. What was encrypted and does not fit into the kernel goes out first
with the next call, so send() may be used with timeouts and without blocking.
"""
import errno
import os
import socket
import ssl
import threading

RECORD = 16384
CUT = "UNEXPECTED_EOF_WHILE_READING"  # OpenSSL's word for an end of TCP alone
PIECE = 1 << 18  # what sendall() encrypts, and writes, in one go


class TlsSocket:
    """TLS over a connected socket. What is not here (settimeout, setsockopt, fileno, ...) is the socket's."""

    def __init__(self, sock, context, name="localhost", session=None, handshake=True, server=False):
        self.sock = sock
        self.came, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python sets it, and an end of TCP alone would be one of TLS
        whom = {"server_side": True} if server else {"server_hostname": name, "session": session}
        self.tls = context.wrap_bio(self.came, self.goes, **whom)
        self.state = threading.RLock()  # of the three above
        self.sending = threading.Lock()  # of `pending` and of the order on the wire
        self.pending = b""
        self.decrypted = b""
        self.eof = False  # the peer's TCP has ended
        self.notified = False  # its close_notify came
        self.cut = False  # ... its end of TCP without that, after which TLS does nothing more
        self.reset = False  # ... or a reset of which a write was told that nobody waits for
        self.shaken = False
        self.held = b""  # what was sent before the handshake, which is done by who receives
        self.later = not handshake
        if handshake:
            try:
                self.handshake()
            except BaseException:
                sock.close()
                raise

    def __getattr__(self, name):
        return getattr(self.sock, name)

    # ciphertext

    def flush(self):
        """Writes what waits; the lock `sending` is held."""
        while True:
            with self.state:
                self.pending += self.goes.read()
            if not self.pending:
                return
            self.pending = self.pending[self.sock.send(self.pending) :]

    def flush_if_free(self):
        """The same if nobody else is at it, who would write it too. A peer that is gone is found by who reads; the kernel
        tells of a reset only once, so that is kept."""
        while self.goes.pending and self.sending.acquire(blocking=False):
            try:
                self.flush()
            except BrokenPipeError:
                return
            except ConnectionResetError:
                self.reset = True
                return
            finally:
                self.sending.release()

    def feed(self, n):
        """One read from the kernel."""
        data = self.sock.recv(n)
        if not data and self.reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        with self.state:
            if data:
                self.came.write(data)
            else:
                self.eof = True
                self.came.write_eof()

    def begin(self):
        """As much of the handshake as needs nothing from the peer that is not here; is it over?"""
        try:
            if not self.shaken:
                with self.state:
                    self.tls.do_handshake()
                self.shaken = True
        except ssl.SSLWantReadError:
            pass
        finally:
            self.flush_if_free()
        return self.shaken

    def handshake(self):
        """The handshake, if it has not been yet, and what waited for it."""
        while not self.begin():
            self.feed(RECORD)
        if self.held:
            data, self.held = self.held, b""
            self.sendall(data)

    def is_for_later(self, data):
        """Keeps what can't be sent yet, if nobody is to wait for the handshake."""
        if not self.later or self.begin():
            return False
        self.held += data
        return True

    # plaintext

    def read(self, n):
        """Decrypts; b"" at the end of TLS, or where it is missing."""
        if self.cut:
            return b""
        try:
            with self.state:
                data = self.tls.read(n)
            self.notified |= not data
            return data
        except ssl.SSLZeroReturnError:
            self.notified = True
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as error:
            if error.reason != CUT and not isinstance(error, ssl.SSLEOFError):
                raise
            self.cut = True
        return b""

    def recv(self, n):
        """Up to n bytes; b"" at the end, with or without close_notify: `notified` says."""
        self.handshake()
        if self.decrypted:
            data, self.decrypted = self.decrypted[:n], self.decrypted[n:]
            return data
        while True:
            try:
                return self.read(n)
            except ssl.SSLWantReadError:
                pass
            self.flush_if_free()
            self.feed(min(max(n, 4096), 65536))

    def encrypt(self, data):
        with self.state:
            self.tls.write(data)

    def send(self, data):
        """Encrypts and writes as much as goes; how much of `data` that was. What is encrypted counts."""
        if self.is_for_later(data):
            return len(data)
        self.handshake()
        data, done = memoryview(data), 0
        with self.sending:
            self.flush()
            while done < len(data):
                piece = data[done : done + RECORD]
                self.encrypt(piece)
                done += len(piece)
                try:
                    self.flush()
                except (BlockingIOError, TimeoutError):
                    break
        self.flush_if_free()
        return done

    def sendall(self, data):
        if self.is_for_later(data):
            return
        self.handshake()
        data = memoryview(data)
        with self.sending:
            for at in range(0, len(data), PIECE):
                self.encrypt(data[at : at + PIECE])
                self.flush()
        self.flush_if_free()

    def notify(self):
        """Queues our close_notify. OpenSSL would throw away what it has not decrypted yet, so that is kept here."""
        with self.state:
            try:
                while data := self.read(RECORD):
                    self.decrypted += data
            except ssl.SSLWantReadError:
                pass
            if self.cut:
                return
            try:
                self.tls.unwrap()
            except (ssl.SSLWantReadError, ssl.SSLSyscallError, ssl.SSLEOFError):
                pass

    def shutdown(self, how, tcp=True):
        """Ends our side: close_notify, then TCP's end unless told. Reading goes on."""
        if how != socket.SHUT_RD:
            self.handshake()
            self.notify()
            with self.sending:
                self.flush()
        if tcp:
            self.sock.shutdown(how)

    def sendall_and_shutdown(self, data):
        """The data, close_notify and TCP's end, in one write."""
        self.handshake()
        self.encrypt(data)
        self.notify()
        with self.sending:
            self.flush()
        self.sock.shutdown(socket.SHUT_WR)
