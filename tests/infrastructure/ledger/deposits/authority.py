"""OpenSSL as a time-stamping authority: certificates made once, and a server that hands each request to the program."""

from __future__ import annotations

import contextlib
import ipaddress
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infrastructure.clock import now
from tests.infrastructure.ledger.deposits.given import Request, answering, reply

_CONFIG = """[tsa]
default_tsa = stamp
[stamp]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.13762.3
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""
_turns = threading.Lock()
Changed = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Authority:
    """Its certificates are in `folder`: ca.pem of whom vouches for it, tsa.pem its own, server.pem one for TLS on 127.0.0.1."""

    folder: Path

    def stamp(self, query: bytes, *options: str) -> bytes:
        """What OpenSSL answers, a `TimeStampResp`."""
        with _turns:  # serial numbers are counted in a file
            (self.folder / "query").write_bytes(query)
            self.openssl("ts", "-reply", "-config", "ts.conf", "-queryfile", "query", "-out", "reply", *options)
            return (self.folder / "reply").read_bytes()

    def openssl(self, *arguments: str, succeeds: bool = True) -> str:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False, timeout=60)
        assert not succeeds or done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def served(self, *options: str, query: Changed = bytes, answer: Changed = bytes) -> Iterator[tuple[str, list[Request]]]:
        """Its address and what it was asked; `query` and `answer` are changed on their way."""
        asked: list[Request] = []

        def stamped(request: Request) -> bytes:
            asked.append(request)
            return reply(answer(self.stamp(query(request.body), *options)), "200 OK", "application/timestamp-reply")

        with answering(stamped) as url:
            yield f"{url}/stamp", asked

    @property
    def root(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self.folder / "ca.pem").read_bytes())


def made(folder: Path) -> Authority:
    """In an empty folder."""
    (folder / "ts.conf").write_text(_CONFIG, encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")
    signing = ec.generate_private_key(ec.SECP256R1())
    for name in ("ca", "tsa", "server"):
        key = signing if name == "ca" else ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key.public_key()).sign(signing, hashes.SHA256())
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.key").write_bytes(key.private_bytes(*plain))
    return Authority(folder)


def _certificate(name: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("ca"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
    )
    if name == "tsa":
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    if name == "server":
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    return builder


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Grantbook's test {name}")])
