"""nginx and HAProxy as Debian has them, beside a gateway: in front of it, or as the service behind it."""
import re
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

from backends import free_port
from gateway import EXIT, ROOT, START
from wait import eventually

STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"  # of libnginx-mod-stream
NGINX = """{modules}daemon off;
user root;
worker_processes 1;
pid {directory}/pid;
error_log stderr;
events {{ worker_connections 256; }}
{main}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{http}
}}
"""


def free_ports(n):
    """n ports that nobody listens on, nor gets; a proxy can't choose one."""
    return [free_port() for _ in range(n)]


def accepts(place):
    """Does somebody listen on a port, or the path of a unix socket?"""
    with socket.socket(socket.AF_INET if isinstance(place, int) else socket.AF_UNIX) as sock:
        return sock.connect_ex(("127.0.0.1", place) if isinstance(place, int) else str(place)) == 0


@contextmanager
def running(argv, directory, ports):
    """A proxy, from when it listens on all of these ports and paths to the end of the block."""
    log = Path(directory) / "log"
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        eventually(
            lambda: process.poll() is not None or all(map(accepts, ports)),
            lambda: f"{argv[0]} does not listen:\n{log.read_text()}",
            START,
        )
        assert process.poll() is None, f"{argv[0]} ended:\n{log.read_text()}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(EXIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def nginx(directory, http="", ports=(), main=""):
    """nginx with this in its http block, and that beside it (`stream { ... }`)."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "nginx.conf"
    modules = f"load_module {STREAM};\n" if "stream {" in main else ""
    file.write_text(NGINX.format(directory=directory, http=http, main=main, modules=modules))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    return running([program, "-e", "stderr", "-p", str(directory), "-c", str(file)], directory, ports)


def haproxy(directory, text, ports=()):
    """HAProxy with this configuration."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "haproxy.cfg"
    file.write_text(text if text.endswith("\n") else text + "\n")
    return running([shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "-db", "-f", str(file)], directory, ports)


def printed(heading, beginning, changes=(), file="docs/deployment.md"):
    """The block of code below a heading of the documentation that begins with these words, with each of these changes,
    whose first half has to be there."""
    section = re.split(r"^##+ ", (ROOT / file).read_text(), flags=re.M)
    text = next(part for part in section if part.startswith(heading + "\n"))
    block = next(block for block in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S) if block.startswith(beginning))
    for old, new in changes:
        assert old in block, f"{old!r} is not in:\n{block}"
        block = block.replace(old, str(new))
    return block
