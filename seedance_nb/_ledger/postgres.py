"""A ledger on a PostgreSQL server that many kernels share: a claim is one transaction, and the owner of a request has a lease on it.

A kernel that does not renew its lease, by the server's clock, has ended or cannot be reached: its request counts as not sent, or as of
unknown outcome if it was being sent. It finds that out before it sends, because it first sets the state, if that is still its own.
"""

import asyncio
import hashlib
import json
import os
import queue
import secrets
import sqlite3
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
import psycopg

from seedance_nb._base.errors import LedgerError
from seedance_nb._ledger.database import close_own
from seedance_nb._ledger.process import this_process
from seedance_nb._ledger.row import COLUMNS, EARLY_STATES, FORGOTTEN, FORGOTTEN_FILES, own_intent, row_of

_LEASE_S, _CONNECTIONS = 60, 3
_POLL_S = 0.5, 5.0  # between two looks at what another kernel sends: without word from it, and with
_PAUSES_S = (0.2, 1.0, None)  # before a transaction whose connection was lost is run again
_OPTIONS: dict[str, Any] = {  # a server that cannot be reached is noticed in 20 s
    "autocommit": True, "prepare_threshold": None, "application_name": "seedance_nb", "connect_timeout": 5,
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 20_000,
}  # fmt: skip
_CONFLICTS = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_LOCK = f"SELECT {', '.join(COLUMNS)}, nonce FROM tasks"  # noqa: S608 - names of our own
Connection = psycopg.Connection[Any]
T = TypeVar("T")


class _Cursor(psycopg.Cursor[Any]):
    """Runs statements in the words that SQLite knows too; the server's texts cannot hold a zero character."""

    def execute(self, query: Any, params: Any = (), **options: Any) -> Any:
        values = [one.replace("\0", "") if isinstance(one, str) else one for one in params or ()]
        return super().execute(query.replace("?", "%s").encode() if values else query, values or None, **options)


@dataclass(slots=True, kw_only=True)
class Transaction:
    """One transaction, with the methods of `transaction.Transaction`; `leases` says of each changed row whether it is about to be sent."""

    db: Connection
    now: float
    nonce: str
    leases: dict[int, bool] = field(default_factory=dict)

    def settle(self, account: str = "", row: int | None = None) -> None:
        self.db.execute("SELECT settle(?, ?)", (account, row))

    def row(self, seq: int) -> Any:
        """The row with this number, locked, None if there is none."""
        self.settle(row=seq)
        for *found, nonce in self.db.execute(f"{_LOCK} WHERE seq = ? FOR UPDATE", (seq,)):
            if nonce == self.nonce:  # this very call has inserted it, before its connection was lost
                self.leases[seq] = True
            return row_of(found)
        return None

    def insert(self, values: dict[str, Any], person: str, words: str) -> int:
        columns = {**values, "person": person, "words": words, "nonce": self.nonce}
        marks = f"{'?, ' * len(columns)}lease_of(?)"
        query = f"INSERT INTO tasks ({', '.join(columns)}, lease) VALUES ({marks}) ON CONFLICT DO NOTHING RETURNING seq"  # noqa: S608
        for (seq,) in self.db.execute(query, (*columns.values(), _LEASE_S)):
            self.leases[seq] = True
            return int(seq)
        raise psycopg.errors.SerializationFailure("another kernel claimed the same request at this moment")

    def change(self, seq: int, changes: dict[str, Any]) -> None:
        changes = own_intent(self.db, seq, changes) if "task_id" in changes else changes
        sets = {f"{name} = ?": json.dumps(one) if isinstance(one, list) else one for name, one in changes.items()}
        if "state" in changes:
            self.leases[seq] = changes["state"] in EARLY_STATES
            sets |= {"lease = lease_of(?)": _LEASE_S} if self.leases[seq] else {}
        self.db.execute(f"UPDATE tasks SET {', '.join(sets)} WHERE seq = ?", (*sets.values(), seq))  # noqa: S608


def _clock() -> float:
    """Seconds that go on while the computer sleeps, where the system has such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Server:
    """The rows on a server, with the methods of `store.Store`, through a few connections that are opened on demand."""

    trouble, _pid = "", 0

    def __init__(self, url: str) -> None:
        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:
            raise LedgerError("The ledger's place is not a URL such as postgresql://user@host/database.") from None
        self._url, self._renewing, self._forked = url, threading.Thread(), list[Any]()
        self._idle, self._leases = queue.LifoQueue[Connection | None](), dict[int, float]()
        self.place = f"postgresql://{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
        mark = hashlib.sha256(self.place.encode()).hexdigest()[:8]
        self.path = platformdirs.user_data_path("seedance_nb") / f"ledger-{mark}"
        self._listener, self._wakes, self._hears = threading.Thread(), set[Callable[[], object]](), False

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction. *writes ledger*. It runs again if the connection is lost. Raises: LedgerError."""
        nonce, asked = secrets.token_hex(8), _clock()

        def once(db: Connection, now: float, _: Any) -> tuple[T, dict[int, bool]]:
            transaction = Transaction(db=db, now=now, nonce=nonce)
            return work(transaction), transaction.leases

        done, leases = self._run(once)
        self._hold(asked, leases)
        if self._leases and not self._renewing.is_alive():
            self._renewing = threading.Thread(target=self._renew_all, daemon=True)
            with suppress(RuntimeError):  # no thread can be started: the lease ends, and nothing is sent after it
                self._renewing.start()
        return done

    def read(self, work: Callable[[Any], T]) -> T:
        """The result of `work`, which waits for no writer. *network*. Raises: LedgerError."""
        has_orphans, seen = self._run(lambda db, _, has_orphans: (has_orphans, work(db)))
        if has_orphans:
            self.transact(Transaction.settle)
            return self.read(work)
        return seen

    def share(self, name: str, work: Callable[..., tuple[T, dict[str, Any]]], *, wait: bool) -> T | None:
        """The result of `work` for a state that all kernels share, a dict which it replaces, and the server's time; None while another kernel has it, unless it should `wait`. *network*. Raises: LedgerError."""

        def shared(db: Connection, now: float, _: Any) -> T | None:
            lock = "FOR UPDATE" if wait else "FOR UPDATE SKIP LOCKED"
            for (state,) in db.execute(f"SELECT state FROM shared WHERE name = ? {lock}", (name,)).fetchall():  # noqa: S608
                done, after = work(json.loads(state), now)
                db.execute("UPDATE shared SET state = ? WHERE name = ?", (json.dumps(after), name))
                return done
            db.execute("INSERT INTO shared (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
            return None

        return self._run(shared)

    async def wait(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait until another kernel is done with a row, or some seconds, fewer where the server's word does not arrive, as behind a pool. *network*."""
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        wake = partial(loop.call_soon_threadsafe, heard.set)
        self._wakes.add(wake)  # before the first word can arrive
        if not self._listener.is_alive():
            self._hears, self._listener = False, threading.Thread(target=self._listen, daemon=True)
            with suppress(RuntimeError):
                self._listener.start()
        both = [asyncio.ensure_future(one) for one in (sleep(_POLL_S[self._hears]), heard.wait())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._wakes.discard(wake)
            for one in both:
                one.cancel()

    def _listen(self) -> None:
        with suppress(psycopg.Error, OSError), psycopg.connect(self._url, **_OPTIONS) as db:
            db.execute("LISTEN seedance_nb")
            db.execute("NOTIFY seedance_nb")  # which arrives here as well, if any does
            for _ in db.notifies():
                self._hears = True
                for wake in [*self._wakes]:
                    with suppress(RuntimeError):  # its loop has ended
                        wake()
        self._hears = False

    def may_send(self, seq: int) -> bool:
        """Whether this process still has the lease on a row. *pure*."""
        return _clock() < self._leases.get(seq, 0)

    def forget(self, seq: int, *, files: bool) -> None:
        blank = FORGOTTEN | (FORGOTTEN_FILES if files else {}) | {"words": None}
        self.transact(lambda transaction: transaction.change(seq, blank))

    def save_elsewhere(self, *_: Any, **__: Any) -> str:
        return ""  # there is no other place

    def close(self) -> None:
        """Close the connections and end the leases; the next call opens new ones."""
        self._leases.clear()
        while not self._idle.empty():
            if connection := self._idle.get():
                close_own(connection, self._pid)
        self._pid = 0

    def renew(self) -> None:
        """Renew the leases on the rows that this process is about to send. *writes ledger*. Raises: LedgerError."""
        asked, held = _clock(), [*self._leases]
        where = "seq = ANY(?) AND owner = ? AND state IN (?, ?)"
        query = f"UPDATE tasks SET lease = lease_of(?) WHERE {where} RETURNING seq"  # noqa: S608
        values = (_LEASE_S, held, this_process(), *EARLY_STATES)
        rows = self.transact(lambda transaction: transaction.db.execute(query, values).fetchall())
        self._hold(asked, dict.fromkeys(held, False) | {seq: True for (seq,) in rows})

    def _hold(self, asked: float, leases: dict[int, bool]) -> None:
        for seq, is_early in leases.items():
            if is_early:
                self._leases[seq] = asked + _LEASE_S
            else:
                self._leases.pop(seq, None)

    def _renew_all(self) -> None:
        time.sleep(_LEASE_S / 4)
        while self._leases:
            with suppress(LedgerError):
                self.renew()
            time.sleep(_LEASE_S / 4)

    def _run(self, work: Callable[[Connection, float, bool], T]) -> T:
        if self._pid != os.getpid():  # what is there belongs to the process that forked this one
            self._forked.append(self._idle)
            self._pid, self._leases, self._idle = os.getpid(), {}, queue.LifoQueue()
            for _ in range(_CONNECTIONS):
                self._idle.put(None)
        for pause in _PAUSES_S:
            connection = self._idle.get()
            try:
                connection = self._open(connection)
                with connection.transaction():
                    return work(connection, *connection.execute("SELECT * FROM seedance_nb.begin()").fetchall()[0])
            except (psycopg.Error, OSError, sqlite3.Error) as error:
                may_repeat = connection is None or connection.closed or isinstance(error, _CONFLICTS)
                text = str(error).strip().split("\n")[0]
            finally:
                self._idle.put(connection)
            if pause is None or not may_repeat:
                break
            time.sleep(pause)
        message = f"The ledger {self.place} cannot be used: {text}. Nothing is sent without it."
        raise LedgerError(message, file=self.place, next_step="try again when the server works")

    def _open(self, connection: Connection | None) -> Connection:
        if connection is None or connection.closed:
            connection = psycopg.connect(self._url, cursor_factory=_Cursor, **_OPTIONS)
            weakref.finalize(self, close_own, connection, self._pid)
            with connection.transaction():
                if connection.execute("SELECT to_regclass('seedance_nb.format_1')").fetchone() == (None,):
                    connection.execute((Path(__file__).parent / "postgres.sql").read_bytes())
        return connection
