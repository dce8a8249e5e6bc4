"""What all contestants stand on: a directory, the TCP services behind them, a certificate, the limit of descriptors."""
import os
import resource
import shutil
import subprocess
import tempfile

from process import NotStarted, Process, ignore_signals

SOURCE_BYTES = 64 << 20  # a source ends: what is lost at the end would be seen
SERVICES = ("echo", "sink", "source")


class Ground:
    """The services of tests/bench/tcpd, and where the contestants keep their files. With `with`: gone at its end."""

    def __init__(self, bench, workers):
        self.bench = bench
        self.workers = workers
        self.directory = None
        self.descriptors = 0  # that each process may have
        self.services = {}
        self.processes = []
        self.certificate = self.key = self.pair = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="wsluice-bench-")
        os.chmod(self.directory, 0o755)  # HAProxy and nginx may change their user
        try:
            self.descriptors = raise_descriptors()
            for mode in SERVICES:
                argv = [self.bench + "/tcpd", "--mode=" + mode, "--bytes=%d" % SOURCE_BYTES]
                process = Process("tcpd-" + mode, argv, self.directory)
                self.processes.append(process)
                self.services[mode] = process.read_address()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        ignore_signals()
        for process in self.processes:
            process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        """A file in the directory."""
        return os.path.join(self.directory, name)

    def write(self, name, text):
        """Makes a file there and says where."""
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        return self.path(name)

    def need_certificate(self):
        """Makes the certificate of all that speak TLS, when that is asked for first: P-256, signed by itself."""
        if self.certificate:
            return
        self.certificate, self.key = self.path("certificate.pem"), self.path("key.pem")
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        argv += ["-subj", "/CN=localhost", "-days", "2", "-keyout", self.key, "-out", self.certificate]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise NotStarted("compare: openssl made no certificate: %s" % done.stdout.decode(errors="replace"))
        with open(self.certificate, encoding="ascii") as one, open(self.key, encoding="ascii") as other:
            self.pair = self.write("pair.pem", one.read() + other.read())


def raise_descriptors():
    """Takes as many descriptors as the system lets us have, for those that are started from here; says how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(most, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
