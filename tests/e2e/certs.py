"""Certificates for tests, made by the openssl command: an authority, and what it signs."""
import atexit
import functools
import shutil
import ssl
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

lock = threading.RLock()  # services of a test are threads, and an authority counts what it signs in files


def once(make):
    """functools.cache, for threads too: what is made is made once, and nothing else meanwhile."""
    cached = functools.cache(make)

    @functools.wraps(make)
    def call(*args, **options):
        with lock:
            return cached(*args, **options)

    return call


LOCAL = ("DNS:localhost", "IP:127.0.0.1", "IP:::1")
DATE = "%y%m%d%H%M%SZ"  # what `openssl ca` takes
CONFIG = """\
[ca]
default_ca = own
[own]
new_certs_dir = {dir}
database = {dir}/index
serial = {dir}/serial
certificate = {dir}/ca.pem
private_key = {dir}/ca.key
default_md = sha256
default_days = 30
unique_subject = no
policy = any
copy_extensions = none
[any]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
"""


def openssl(*words, stdin=None):
    """Runs the openssl command; its output."""
    done = subprocess.run(["openssl", *map(str, words)], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, (words, done.stderr.decode("utf-8", "replace"))
    return done.stdout


def make_key(path, kind="ec"):
    """A private key in a file that only its owner may read."""
    how = {"ec": ("EC", "ec_paramgen_curve:P-256"), "rsa": ("RSA", "rsa_keygen_bits:2048")}[kind]
    openssl("genpkey", "-algorithm", how[0], "-pkeyopt", how[1], "-out", path)
    path.chmod(0o600)
    return path


@dataclass
class Pair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path

    @property
    def keys(self):
        """As keys of a [listen] section."""
        return {"tls_certificate": self.certificate, "tls_key": self.key}

    @property
    def options(self):
        """As options of the command line."""
        return ["--ssl", f"--sslcert={self.certificate}", f"--sslkey={self.key}"]

    @property
    def der(self):
        """The certificate as it is on the wire."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


class Authority:
    """Signs certificates, in a directory of its own."""

    def __init__(self, directory, name="Authority of the tests"):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o755)
        self.name = name
        self.config = self.dir / "ca.cnf"
        self.config.write_text(CONFIG.format(dir=self.dir))
        (self.dir / "index").touch()
        (self.dir / "serial").write_text("1000\n")
        make_key(self.dir / "ca.key")
        self.certificate = self.dated(name="ca")

    def sign(self, name, key, subject, extensions, start, end, *how):
        """The file of a certificate for a key. start and end: datetimes, else for a month, and from an hour ago: the clock
        may be set back meanwhile."""
        asked, wanted, out = (self.dir / f"{name}.{it}" for it in ("csr", "ext", "pem"))
        openssl("req", "-new", "-utf8", "-key", key, "-subj", subject, "-out", asked)
        wanted.write_text(extensions)
        start = start or datetime.now(timezone.utc) - timedelta(hours=1)
        dates = ["-startdate", start.strftime(DATE), *(("-enddate", end.strftime(DATE)) if end else ())]
        openssl(
            "ca", "-batch", "-utf8", "-notext", "-preserveDN", "-config", self.config, "-extfile", wanted, *dates, *how,
            "-in", asked, "-out", out,
        )  # fmt: skip
        return out

    def issue(self, name, names=LOCAL, subject=None, start=None, end=None, kind="ec"):
        """A Pair called `name`. names: subjectAltName; start and end as in sign()."""
        key = make_key(self.dir / f"{name}.key", kind)
        extensions = "basicConstraints = CA:FALSE\n" + (f"subjectAltName = {','.join(names)}\n" if names else "")
        return Pair(self.sign(name, key, subject or f"/CN={name}", extensions, start, end), key)

    def dated(self, start=None, end=None, name="dated"):
        """A file with its own certificate anew, for the time between two datetimes."""
        extensions = "basicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = hash\n"
        return self.sign(name, self.dir / "ca.key", f"/CN={self.name}", extensions, start, end, "-selfsign")


@once
def run_authority():
    """The authority of this run of the tests; it goes when the run ends."""
    directory = tempfile.mkdtemp(prefix="wsluice-certs-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Authority(directory)


@once
def run_pair():
    """The server's certificate of this run, for localhost."""
    return run_authority().issue("localhost")


def client_context(authority=None, pair=None):
    """What a client needs that trusts an authority (this run's unless told) and shows a certificate (none unless told)."""
    context = ssl.create_default_context(cafile=str((authority or run_authority()).certificate))
    context.set_alpn_protocols(["http/1.1"])
    if pair:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


@once
def run_context():
    """The client's context of this run."""
    return client_context()
