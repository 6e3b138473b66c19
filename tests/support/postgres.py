"""A real PostgreSQL server in a folder of its own, on a socket that only this machine reaches."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.waiting import until

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/nowhere"))


class PostgresServer:
    """`url(name)` is a database's; `kill` is a crash, and `start` starts it again."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root, self.options = root, options
        self.process: subprocess.Popen[bytes] | None = None
        self.as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # which the server refuses to run as
            self.as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(root, "postgres", "postgres")
        self._run(
            "initdb", "-D", root / "data", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        self.start()
        self.as_superuser("CREATE ROLE tester LOGIN CREATEDB")

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(PROGRAMS / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False, cwd=self.root, **self.as_user)
        assert not done.returncode, done.stderr.decode()

    def start(self) -> None:
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self.root}",
            "max_connections=120",
            "fsync=off",
            *self.options,
        ]
        command = [
            str(PROGRAMS / "postgres"),
            "-D",
            str(self.root / "data"),
            *(word for one in settings for word in ("-c", one)),
        ]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.root, **self.as_user)
        until(self.is_ready)

    def is_ready(self) -> bool:
        command = [str(PROGRAMS / "pg_isready"), "-h", str(self.root), "-U", "tester", "-d", "postgres"]
        return not subprocess.run(command, capture_output=True, check=False).returncode

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it at once; SIGQUIT is a crash, which the next start recovers from."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(30)
        self.process = None

    def as_superuser(self, statement: str) -> None:
        self._run("psql", "-h", self.root, "-U", "postgres", "-d", "postgres", "-c", statement)

    def url(self, name: str) -> str:
        return f"postgresql://tester@/{name}?host={self.root}"

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self._run("createdb", "-h", self.root, "-U", "tester", name)
        return self.url(name)


@contextmanager
def postgres(*options: str) -> Iterator[PostgresServer]:
    if not PROGRAMS.exists():
        why = "no PostgreSQL server here: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    root = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has at most 107 characters
    server = PostgresServer(root, *options)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
