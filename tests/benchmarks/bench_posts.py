"""How often each client sends a paid request whose answer is lost: the POSTs that a server receives.

`python tests/benchmarks/bench_posts.py` prints one row a client, its retries by default. This library is always among
them; the others (`fal-client`, `runwayml`, `lumaai`, `replicate`) are found if they are installed.
"""

import importlib.util
import os
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module

import seedance_nb as sd

IMAGE = "https://example.com/fox.png"
CREATED = b'{"id": "t-1", "request_id": "t-1", "task_id": "t-1", "status": "IN_QUEUE", "state": "queued"}'
PATIENCE_S = 90  # for one client; those that ask ten times need 50 s


class Provider:
    """A provider on loopback that reads every POST whole and answers none of the first `lost`."""

    def __init__(self, lost: int) -> None:
        self.lost, self.posts = lost, 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (piece := connection.recv(65_536)):
                return
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        while len(body) < int(lengths[0] if lengths else 0):
            body += connection.recv(65_536)
        if head.startswith(b"POST"):
            self.posts += 1
            if self.posts <= self.lost:  # a reset: the request has arrived, and its answer never will
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
        size = len(CREATED)
        lines = (
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n"
        )
        connection.sendall(lines.encode() + CREATED)


@contextmanager
def provider(lost: int) -> Iterator[Provider]:
    """A provider that answers until the block ends."""
    server = Provider(lost)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)


def fal(url: str) -> None:
    module = import_module("fal_client.client")
    vars(module)["QUEUE_URL_FORMAT"] = f"{url}/"
    module.SyncClient(key="bench").submit("owner/model", {"prompt": "A fox"})


def runway(url: str) -> None:
    client = import_module("runwayml").RunwayML(api_key="bench", base_url=url)
    client.image_to_video.create(model="gen4_turbo", prompt_image=IMAGE, ratio="1280:720", prompt_text="A fox")


def luma(url: str) -> None:
    client = import_module("lumaai").LumaAI(auth_token="bench", base_url=url)
    client.generations.create(prompt="A fox", model="ray-2")


def replicate(url: str) -> None:
    client = import_module("replicate.client").Client(api_token="bench", base_url=url, timeout=10)
    client.predictions.create("a" * 64, {"prompt": "A fox"}, wait=1)


def ours(url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        session = sd.Session(api_key="bench-key-0001", base_url=url, ledger=f"{folder}/ledger.sqlite3", outputs=folder)
        task = session.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", budget=10_000)
        task.wait(5)


CLIENTS: dict[str, tuple[str, Callable[[str], None]]] = {
    "seedance_nb": ("seedance_nb", ours), "fal-client": ("fal_client", fal), "runwayml": ("runwayml", runway),
    "lumaai": ("lumaai", luma), "replicate": ("replicate", replicate),
}  # fmt: skip


def posts(create: Callable[[str], None], lost: int) -> int:
    """The POSTs that one creation sends where the first `lost` answers are lost."""
    with provider(lost) as server:

        def attempt() -> None:
            with suppress(Exception):
                create(server.url)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
        return server.posts


def main() -> None:
    os.environ["SEEDANCE_ALLOW_HOSTS"] = "127.0.0.1"
    print("| client | one answer lost | every answer lost |\n| --- | --- | --- |")
    for name, (module, create) in CLIENTS.items():
        if importlib.util.find_spec(module):
            print(f"| {name} | {posts(create, 1)} | {posts(create, 10**9)} |", flush=True)


if __name__ == "__main__":
    main()
