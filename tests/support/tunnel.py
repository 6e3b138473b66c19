"""A private CA, a TLS front for a plain server, and an HTTP proxy, all on loopback; each keeps count of what passed."""

import datetime as dt
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """A CA of its own. `file` is its certificate, `context` that of a server with a certificate for `names`."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A CA for the tests")])
        self._folder = folder
        self._cert = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._cert.public_bytes(serialization.Encoding.PEM))

    def context(self, *names: str) -> ssl.SSLContext:
        key, file = ec.generate_private_key(ec.SECP256R1()), self._folder / f"{names[0]}.pem"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        cert = self._signed(subject, key.public_key(), x509.BasicConstraints(ca=False, path_length=None), alternatives)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(key.private_bytes(*form) + cert.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        now, issuer = dt.datetime.now(dt.UTC), self._key.public_key()
        cert = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=2))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
        )  # fmt: skip
        for extension in extensions:
            cert = cert.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return cert.sign(self._key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


class _Listener:
    """Serves each connection on loopback in a thread of its own; `connections` counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._guarded, args=(line,), daemon=True))
                self._threads[-1].start()

    def _guarded(self, line: socket.socket) -> None:
        with suppress(OSError, ValueError), line:
            self._open.append(line)
            self.serve(line)

    def serve(self, line: socket.socket) -> None:
        raise NotImplementedError

    def to(self, port: int) -> socket.socket:
        """A connection to a port of this computer."""
        there = socket.create_connection(("127.0.0.1", port))
        self._open.append(there)
        return there

    def hang_up(self) -> None:
        """Cuts every connection."""
        for line in self._open:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)


def _pipe(one: socket.socket, other: socket.socket, seen: bytearray | None = None) -> None:
    """Passes bytes both ways until both sides have ended."""

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while data := source.recv(65_536):
                if seen is not None:
                    seen.extend(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=pass_on, args=(other, one), daemon=True)
    back.start()
    pass_on(one, other)
    back.join()


class Front(_Listener):
    """TLS in front of the plain server at `port`. With `cut`, it hangs up at the first bytes of a request."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        self._context, self._to, self.cut, self.handshakes = context, port, False, 0
        super().__init__()

    def serve(self, line: socket.socket) -> None:
        with self._context.wrap_socket(line, server_side=True) as inside:
            self._open.append(inside)  # it has the connection of `line` from here on
            self.handshakes += 1
            if self.cut:
                inside.recv(1)
                return
            with self.to(self._to) as there:
                _pipe(inside, there)


class Proxy(_Listener):
    """An HTTP proxy that knows the hosts in `routes` (host: port of this computer).

    `answer` is the status of a CONNECT; "close" ends the connection without one, "silent" waits for ever, "half" ends it in the middle of one, and "deaf"
    right after the tunnel was opened. `asked` are the first lines of requests, `seen` all bytes that passed.
    """

    def __init__(self, routes: dict[str, int], answer: int | str = 200) -> None:
        self.routes, self.answer = routes, answer
        self.asked: list[str] = []
        self.seen = bytearray()
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"

    def serve(self, line: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (more := line.recv(65_536)):
            head += more
        self.seen += head
        first = head.partition(b"\r\n")[0].decode()
        self.asked.append(first)
        target = re.match(r"CONNECT \[?([^\]]*)\]?:\d+ ", first)
        port = self.routes.get(target[1], 0) if target else 0
        if self.answer == "silent":
            line.recv(1)  # until the other side gives up
        if self.answer in ("close", "silent"):
            return
        if self.answer == "half":
            line.sendall(b"HTTP/1.1 2")
            return
        status = 502 if self.answer == 200 and not port else self.answer
        if status not in (200, "deaf"):
            line.sendall(f"HTTP/1.1 {status} {SAYS}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if status == 200:
            with self.to(port) as there:
                _pipe(line, there, self.seen)


T = TypeVar("T", bound=_Listener)
SAYS = "No such user pa55word-of-the-proxy"


@contextmanager
def running(listener: T) -> Iterator[T]:
    try:
        yield listener
    finally:
        listener.stop()
