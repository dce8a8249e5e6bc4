"""Who takes part: how each is configured, started and stopped, and where it is reached.

A contestant has one address for each way and service that it can do; its configuration and version go into the report.
No one writes a line for each connection where that can be turned off, and all have buffers of 64 KiB where that is a
setting. `kind` is what a row of works.py names.
"""
import re
import subprocess

from ground import SERVICES
from process import NotStarted, Process, free_addresses

NGINX_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
RELAY_MODES = ["bufferevent", "tricks", "evbuffer", "bare"]
TCP_AND_TLS = [(via, service) for via in ("tcp", "tls") for service in SERVICES]


class Contestant:
    """A gateway or relay: start() makes urls and processes; stop() ends them."""

    kind = name = "?"
    column = None  # under which its figures stand; its name, when there is none
    program = "?"
    comes_by = "tools/install.sh bench"
    version_words = ["-v"]
    watch = ["--children"]  # load counts its processes and the children that these have when it begins

    def __init__(self, ground, program=None):
        self.ground = ground
        self.program = self.program if program is None else program
        self.column = self.column or self.name
        self.processes = []
        self.urls = {}
        self.configuration = ""

    def launch(self, argv, addresses, label=""):
        """Starts one process and waits until it accepts connections."""
        process = Process(self.name + label, argv, self.ground.directory)
        self.processes.append(process)
        process.wait_until_open(addresses)

    def start(self):
        """Fills in urls; the contestant accepts connections when this returns."""
        raise NotImplementedError

    def pids(self, _):
        """The processes that do the work of one url."""
        return [process.pid for process in self.processes]

    def stop(self):
        """Ends all of it."""
        while self.processes:
            self.processes[-1].stop()
            self.processes.pop()
        self.urls = {}
        self.configuration = ""

    def version(self):
        """What the program calls itself."""
        try:
            done = subprocess.run(
                [self.program] + self.version_words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
        except OSError as error:
            raise NotStarted("compare: %s: %s (%s)" % (self.program, error.strerror, self.comes_by)) from error
        found = re.search(r"[0-9]+\.[0-9]+[0-9.]*\S*", done.stdout.decode(errors="replace"))
        return found.group() if found else "unknown"


class Relay(Contestant):
    """One way of relay.c, an experiment; a process for each service."""

    kind = "relay"

    def __init__(self, ground, mode):
        super().__init__(ground, ground.bench + "/relay")
        self.name = self.column = mode

    def start(self):
        for service, address in self.ground.services.items():
            process = Process("%s-%s" % (self.name, service), [self.program, self.name, address], self.ground.directory)
            self.processes.append(process)
            self.urls["tcp", service] = "tcp://" + process.read_address()

    def version(self):
        return "of this tree"


class Nginx(Contestant):
    """nginx's stream module: the bare bytes, plain or in TLS."""

    kind = name = "nginx"
    program = "/usr/sbin/nginx"
    module = NGINX_MODULE

    def start(self):
        self.ground.need_certificate()
        addresses = dict(zip(TCP_AND_TLS, free_addresses(len(TCP_AND_TLS))))
        self.configuration = self.configure(addresses)
        conf = self.ground.write(self.name + ".conf", self.configuration)
        self.launch([self.program, "-e", "stderr", "-p", self.ground.directory, "-c", conf], addresses.values())
        self.urls = {way: way[0] + "://" + address for way, address in addresses.items()}

    def configure(self, addresses):
        """A server for each way and service."""
        servers = "".join(
            "\tserver { listen %s%s backlog=4096; proxy_pass %s; }\n"
            % (address, " ssl" if via == "tls" else "", self.ground.services[service])
            for (via, service), address in addresses.items()
        )
        return f"""load_module {self.module};
daemon off;
worker_processes {self.ground.workers};
pid {self.ground.path("nginx.pid")};
error_log stderr error;
events {{ worker_connections {self.ground.descriptors}; }}
stream {{
	access_log off;
	proxy_buffer_size 64k;
	ssl_protocols TLSv1.2 TLSv1.3;
	ssl_certificate {self.ground.certificate};
	ssl_certificate_key {self.ground.key};
{servers}}}
"""


class Haproxy(Contestant):
    """HAProxy in mode tcp: the bare bytes, plain or in TLS."""

    kind = name = "haproxy"
    program = "/usr/sbin/haproxy"

    def start(self):
        self.ground.need_certificate()
        addresses = dict(zip(TCP_AND_TLS, free_addresses(len(TCP_AND_TLS))))
        self.configuration = self.configure(addresses)
        conf = self.ground.write("haproxy.cfg", self.configuration)
        self.launch([self.program, "-db", "-f", conf], addresses.values())
        self.urls = {way: way[0] + "://" + address for way, address in addresses.items()}

    def configure(self, addresses):
        """A proxy for each way and service."""
        proxies = "".join(
            f"""listen {via}-{service}
	bind {address}{" ssl crt " + self.ground.pair if via == "tls" else ""} backlog 4096
	server {service} {self.ground.services[service]}
"""
            for (via, service), address in addresses.items()
        )
        return f"""global
	nbthread {self.ground.workers}
	maxconn {self.ground.descriptors // 2 - 100}
	tune.bufsize 65536
	ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
{proxies}"""


class Wsluice(Contestant):
    """The gateway itself: each service a route, each program too, once more behind TLS."""

    kind = name = "wsluice"
    program = "build/wsluice"
    comes_by = "make"
    version_words = ["--version"]
    log_level = "warning"

    def __init__(self, ground, program=None, name=None, workers=None):
        super().__init__(ground, program)
        if name:
            self.name = self.column = name
        self.workers = workers or ground.workers

    def start(self):
        self.ground.need_certificate()
        plain, tls = free_addresses(2)
        self.configuration = self.configure(plain, tls)
        conf = self.ground.write(self.name.replace("/", "-") + ".ini", self.configuration)
        self.launch([self.program, "--config=" + conf], [plain, tls])
        for service in SERVICES:
            self.urls["tcp", service] = "ws://%s/%s" % (plain, service)
            self.urls["tls", service] = "wss://%s/%s" % (tls, service)
        for service in ("stream", "lines", "starts"):
            self.urls["program", service] = "ws://%s/%s" % (plain, service)

    def configure(self, plain, tls):
        """All defaults but for the log and the number of workers."""
        routes = "".join(
            "[route /%s]\nconnect = tcp://%s\n" % (name, address) for name, address in self.ground.services.items()
        )
        return f"""[gateway]
workers = {self.workers}
log_level = {self.log_level}
[listen plain]
address = {plain}
[listen tls]
address = {tls}
tls_certificate = {self.ground.certificate}
tls_key = {self.ground.key}
{routes}[route /stream]
exec = cat
framing = stream
[route /lines]
exec = cat
[route /starts]
exec = true
"""


class WsluiceLog(Wsluice):
    """The gateway with its log as users have it: a line for each session."""

    kind = "wsluice-log"
    name = "wsluice, its log on"
    column = "wsluice"  # in rows of its own
    log_level = "info"


class WsluiceOne(Wsluice):
    """The gateway with one worker."""

    kind = "wsluice-one"
    name = "one worker"

    def __init__(self, ground, program=None):
        super().__init__(ground, program, workers=1)


class Lighttpd(Contestant):
    """lighttpd's mod_wstunnel: WebSocket to a TCP service."""

    kind = name = "lighttpd"
    watch = ["--children", "--any-end"]  # its close frame says 1000 in digits, or it sends none
    program = "/usr/sbin/lighttpd"

    def start(self):
        self.ground.need_certificate()
        plain, tls = free_addresses(2)
        self.configuration = self.configure(plain, tls)
        conf = self.ground.write("lighttpd.conf", self.configuration)
        self.launch([self.program, "-D", "-f", conf], [plain, tls])
        for service in SERVICES:
            self.urls["tcp", service] = "ws://%s/%s" % (plain, service)
            self.urls["tls", service] = "wss://%s/%s" % (tls, service)

    def configure(self, plain, tls):
        """A path for each service, once more behind TLS."""
        servers = ",\n".join(
            '\t"/%s" => (( "host" => "%s", "port" => %s ))' % (service, *address.split(":"))
            for service, address in self.ground.services.items()
        )
        return f"""server.modules = ( "mod_wstunnel", "mod_openssl" )
server.document-root = "{self.ground.directory}"
server.bind = "127.0.0.1"
server.port = {plain.split(":")[1]}
server.max-worker = {self.ground.workers}
server.max-fds = {self.ground.descriptors}
server.max-connections = {self.ground.descriptors // 2}
server.listen-backlog = 4096
wstunnel.frame-type = "binary"
wstunnel.server = (
{servers}
)
$SERVER["socket"] == "{tls}" {{
	ssl.engine = "enable"
	ssl.pemfile = "{self.ground.certificate}"
	ssl.privkey = "{self.ground.key}"
}}
"""


class Websockify(Contestant):
    """websockify: a process for each service here, and by itself one for each session. Its log can't be turned off."""

    kind = name = "websockify"
    watch = ["--forks", "--any-end"]  # it may reset what it has closed
    program = "/usr/bin/websockify"
    version_words = ["--help"]
    most_sessions = 100  # of the idle ones: each is a process of Python

    def start(self):
        self.ground.need_certificate()
        pairs = ["--cert=" + self.ground.certificate, "--key=" + self.ground.key]
        for service, address in zip(SERVICES, free_addresses(len(SERVICES))):
            argv = [self.program] + pairs + [address, self.ground.services[service]]
            self.launch(argv, [address], "-" + service)
            self.urls["tcp", service] = "ws://%s/" % address
            self.urls["tls", service] = "wss://%s/" % address
            self.configuration += " ".join(argv) + "\n"

    def pids(self, way):
        return [self.processes[SERVICES.index(way[1])].pid]

    def version(self):
        super().version()
        return package_version("websockify")


class Websocketd(Contestant):
    """websocketd: a process for each program."""

    kind = name = "websocketd"
    watch = ["--bare-end"]  # its children are the programs; it sends no close frame
    program = "/usr/bin/websocketd"
    version_words = ["--version"]
    programs = {"stream": ["--binary=true", "cat"], "lines": ["cat"], "starts": ["true"]}

    def start(self):
        for (service, words), address in zip(self.programs.items(), free_addresses(len(self.programs))):
            host, port = address.split(":")
            argv = [self.program, "--address=" + host, "--port=" + port, "--loglevel=error"] + words
            self.launch(argv, [address], "-" + service)
            self.urls["program", service] = "ws://%s/" % address
            self.configuration += " ".join(argv) + "\n"

    def pids(self, way):
        return [self.processes[list(self.programs).index(way[1])].pid]

    def version(self):
        super().version()
        return package_version("websocketd")


def package_version(name):
    """The version of a Debian package, for programs that don't say theirs."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return done.stdout.decode() or "unknown"


OTHERS = {one.kind: one for one in (Haproxy, Lighttpd, Websockify, Websocketd)}
