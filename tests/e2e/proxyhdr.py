"""Headers of the PROXY protocol, written and read as its specification has them, and a service that gets one."""
import ipaddress
import socket
import struct
from dataclasses import dataclass, field

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6, UNIX = 0x11, 0x21, 0x31
AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL = 0x02, 0x03, 0x04, 0x05, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER = 0x21, 0x22, 0x23


def v1(source="192.0.2.1", to="198.51.100.7", port=56324, to_port=443):
    kind = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {kind} {source} {to} {port} {to_port}\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(source="192.0.2.1", to="198.51.100.7", port=56324, to_port=443, tlvs=b"", command=PROXY):
    source, to = ipaddress.ip_address(source), ipaddress.ip_address(to)
    rest = source.packed + to.packed + struct.pack("!HH", port, to_port) + tlvs
    family = TCP4 if source.version == 4 else TCP6
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest


def tlvs_of(data):
    """What they say, each once: {type: value}."""
    found = {}
    while data:
        kind, length = struct.unpack("!BH", data[:3])
        assert kind not in found and len(data) >= 3 + length, data
        found[kind], data = data[3 : 3 + length], data[3 + length :]
    return found


@dataclass
class Header:
    """One that came, and what followed."""

    line: str = ""  # of version 1
    command: int = 0
    family: int = 0
    source: tuple = ()  # of IP, (host, port); of unix, the path
    to: tuple = ()
    tlvs: dict = field(default_factory=dict)


def take(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(n - len(data))
        assert piece, f"end of file after {data!r}"
        data += piece
    return data


def read_v2(sock):
    """Exactly the header, of the version 2."""
    command, family, length = struct.unpack("!BBH", take(sock, 4))
    rest = take(sock, length)
    header = Header(command=command, family=family)
    if family in (TCP4, TCP6):
        size = 4 if family == TCP4 else 16
        ports = struct.unpack("!HH", rest[2 * size : 2 * size + 4])
        hosts = (str(ipaddress.ip_address(rest[i * size : i * size + size])) for i in range(2))
        header.source, header.to = zip(hosts, ports)
        rest = rest[2 * size + 4 :]
    elif family == UNIX:
        header.source, header.to = rest[:108].rstrip(b"\0").decode(), rest[108:216].rstrip(b"\0").decode()
        rest = rest[216:]
    header.tlvs = tlvs_of(rest)
    return header


def read(sock):
    """Exactly the header that a connection begins with."""
    begin = take(sock, len(SIGNATURE))
    if begin == SIGNATURE:
        return read_v2(sock)
    while not begin.endswith(b"\r\n"):
        begin += take(sock, 1)
    assert begin.startswith(b"PROXY "), begin
    return Header(line=begin[:-2].decode())


def told(it, sock):
    """A handler of backends.service(): keeps the header, then echoes."""
    sock.settimeout(30)
    it.header = read(sock)
    while data := it.read(sock):
        sock.sendall(data)
    sock.close()
