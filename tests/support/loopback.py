"""An HTTP server on loopback that no client is turned away from."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves from `start` to `stop`, each connection in a thread of its own; `url` is its address."""

    daemon_threads = True
    request_queue_size = 128  # of the usual 5 a busy machine drops the rest, and TCP tries again after 1, 3 and 7 s

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()
