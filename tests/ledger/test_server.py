"""A ledger on a server: whatever happens to a kernel, its connection or the server, no request is sent twice.

Each test has a real server; a second kernel is a second `Ledger`, whose owner is another one.
"""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from faults import child
from faults.server import CREATE, STATUS, FaultServer, charge, serving, tell
from faults.shapes import CRUN
from support.claims import backend, claim
from support.postgres import PostgresServer
from support.waiting import short, until

import seedance_nb as sd
from seedance_nb._check.price import Estimate
from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State

postgres = pytest.importorskip("seedance_nb._ledger.postgres")
PRICE = Estimate(unit="credits", amount=10.0)


@pytest.fixture
def ledger(server_ledger: Ledger) -> Ledger:
    return server_ledger


@pytest.fixture
def other(url: str) -> Iterator[Ledger]:
    """Another kernel's, whose leases are its own."""
    found = Ledger(url)
    yield found
    found.close()


@pytest.fixture
def provider(made: tuple[sd.Session, sd.Video]) -> Iterator[FaultServer]:
    with serving(CRUN, made[1].path.read_bytes(), status=[(tell("running"),)]) as found:
        yield found


def sql(ledger: Ledger, statement: str, *values: Any) -> Any:
    def run(transaction: Any) -> Any:
        cursor = transaction.db.execute(statement, values)
        return cursor.fetchall() if cursor.description else None

    return ledger._store.transact(run)


def expire(ledger: Ledger) -> None:
    """What the server's clock does to a kernel that renews nothing."""
    sql(ledger, "UPDATE tasks SET lease = clock_timestamp() - make_interval(secs => 1)")


def session_at(provider: FaultServer, url: str, folder: Path, **more: Any) -> sd.Session:
    return sd.Session(
        api_key=child.KEY, base_url=provider.url, ledger=url, outputs=folder / "o", **{"sleep": short, **more}
    )


def test_a_dead_kernel_s_row_is_not_sent_or_of_unknown_outcome(ledger: Ledger, other: Ledger) -> None:
    waiting, _ = claim(ledger, "waiting")
    sending, _ = claim(ledger, "sending")
    ledger.update(sending.seq, only_in=(State.WAITING,), state=State.SENDING)
    queued, _ = claim(ledger, "queued")
    ledger.update(queued.seq, state=State.QUEUED, task_id="t")
    assert [claim(other, prompt)[1] for prompt in ("waiting", "sending", "queued")] == [False] * 3  # while it lives
    expire(ledger)
    assert {row.seq: row.state for row in other.rows()} == {
        waiting.seq: State.UNSENT, sending.seq: State.UNKNOWN, queued.seq: State.QUEUED,
    }  # fmt: skip
    assert [claim(other, prompt)[1] for prompt in ("waiting", "sending", "queued")] == [True, False, False]


def test_a_kernel_whose_lease_ended_finds_its_row_settled_and_cannot_send_it(ledger: Ledger, other: Ledger) -> None:
    row, _ = claim(ledger)
    expire(ledger)
    again, is_new = claim(other)
    assert is_new
    assert ledger.update(row.seq, only_in=(State.WAITING,), state=State.SENDING).state is State.UNSENT
    assert other.update(again.seq, only_in=(State.WAITING,), state=State.SENDING).state is State.SENDING


def test_an_expired_lease_that_nobody_settled_is_no_lease_either(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    expire(ledger)
    assert ledger.update(row.seq, only_in=(State.WAITING,), state=State.SENDING).state is State.UNSENT


def test_a_lease_is_renewed_as_long_as_the_kernel_lives(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    before = sql(ledger, "SELECT lease FROM tasks")
    backend(ledger).renew()
    assert sql(ledger, "SELECT lease FROM tasks") > before
    assert ledger.may_send(row.seq)
    ledger.update(row.seq, state=State.QUEUED, task_id="t")
    assert not ledger.may_send(row.seq)
    ended = sql(ledger, "SELECT lease FROM tasks")
    backend(ledger).renew()
    assert sql(ledger, "SELECT lease FROM tasks") == ended


def test_a_kernel_that_slept_longer_than_its_lease_right_before_the_sending_sends_nothing(
    url: str, tmp_path: Path, provider: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(postgres, "_clock", lambda: clock[0])
    session, other = session_at(provider, url, tmp_path), session_at(provider, url, tmp_path)
    real = session.ledger.update

    def slow(seq: int, **changes: Any) -> Any:
        row = real(seq, **changes)
        if changes.get("state") is State.SENDING:
            clock[0] += postgres._LEASE_S + 1  # as while a laptop sleeps; others see the row as lost
            expire(session.ledger)
            other.ledger.rows()
        return row

    with monkeypatch.context() as patch:
        patch.setattr(session.ledger, "update", slow)
        with pytest.raises(sd.UnknownOutcome):
            session.generate(CRUN.model, timeout=60, **CRUN.fields)
    assert provider.count(CREATE) == 0
    assert [row.state for row in other.tasks()] == [State.UNKNOWN]
    with monkeypatch.context() as patch:  # the control: who does not look sends it
        patch.setattr(session.ledger, "update", slow)
        patch.setattr(session.ledger, "may_send", lambda _: True)
        session.submit(CRUN.model, take=2, **CRUN.fields)
        until(lambda: provider.count(CREATE))


@pytest.mark.parametrize("hours", [-30, 30])
def test_the_clock_of_a_kernel_does_not_matter(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    row, _ = claim(ledger)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    again, is_new = claim(other)
    assert (again.seq, is_new, again.state) == (row.seq, False, State.WAITING)
    later, _ = claim(other, "later")
    assert 0 <= later.created - row.created < 60
    assert ledger.update(row.seq, only_in=(State.WAITING,), state=State.SENDING).state is State.SENDING


class Cut:
    """A connection that is lost at one of its statements, before or after the server has run it."""

    def __init__(self, server: Any, step: str, *, after: bool) -> None:
        self.step, self.after, self.cuts = step, after, 0
        self.real = server._idle.get()  # the one that was used last
        server._idle.put(self)

    def execute(self, statement: Any, *values: Any) -> Any:
        text = statement.decode() if isinstance(statement, bytes) else str(statement)
        if self.step in text:
            return self._cut(lambda: self.real.execute(statement, *values))
        return self.real.execute(statement, *values)

    def transaction(self) -> Any:
        cut, inner = self, self.real.transaction()

        class Transaction:
            def __enter__(self) -> None:
                inner.__enter__()

            def __exit__(self, *error: object) -> Any:
                if cut.step == "COMMIT" and error[0] is None:
                    return cut._cut(lambda: inner.__exit__(None, None, None))
                return inner.__exit__(*error)

        return Transaction()

    def _cut(self, work: Callable[[], Any]) -> Any:
        self.cuts += 1
        if self.after:
            work()
        self.real.close()
        raise postgres.psycopg.OperationalError("server closed the connection unexpectedly")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


STEPS = ["begin()", "settle(", "SELECT seq FROM tasks", "INSERT INTO tasks", "FOR UPDATE", "COMMIT"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_connection_that_is_lost_in_the_middle_of_a_claim_claims_once(
    ledger: Ledger, other: Ledger, step: str, after: bool
) -> None:
    claim(ledger, "first", estimate=PRICE)
    cut = Cut(backend(ledger), step, after=after)
    row, is_new = claim(ledger, "second", estimate=PRICE, budget=20.0)
    assert (cut.cuts, is_new) == (1, True)
    assert ledger.may_send(row.seq)
    assert ledger.count() == 2
    assert claim(other, "second") == (row, False)
    assert not claim(ledger, "second")[1]


def test_a_claim_that_nobody_knows_the_end_of_is_settled_when_its_lease_ends(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(ledger, "first")
    monkeypatch.setattr(postgres, "_PAUSES_S", (None,))
    Cut(backend(ledger), "COMMIT", after=True)
    with pytest.raises(sd.LedgerError, match="Nothing is sent without it"):
        claim(ledger, "second")
    row = other.rows()[0]
    assert (row.state, ledger.may_send(row.seq)) == (State.WAITING, False)
    backend(ledger).renew()
    sql(other, "UPDATE tasks SET lease = clock_timestamp() - make_interval(secs => 1) WHERE seq = ?", row.seq)
    assert claim(other, "second")[1]


def test_of_two_kernels_whose_answers_name_one_task_only_one_has_it(ledger: Ledger, other: Ledger) -> None:
    for number in range(5):
        rows = claim(ledger, f"first {number}")[0], claim(other, f"second {number}")[0]
        answer: dict[str, Any] = {"state": State.QUEUED, "task_id": f"task_{number}", "accepted": 1.0}
        with ThreadPoolExecutor(2) as both:
            sent = [both.submit(one.update, row.seq, **answer) for one, row in zip((ledger, other), rows, strict=True)]
        assert {one.result().state: one.result().task_id for one in sent} == {
            State.QUEUED: f"task_{number}",
            State.UNKNOWN: "",
        }


def test_a_server_that_is_restarted_or_crashes_is_used_again(
    ledger: Ledger, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, _ = claim(ledger)
    assert ledger.count() == 1
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.stop(how)
        with monkeypatch.context() as patch:
            patch.setattr(postgres, "_PAUSES_S", (0, None))
            for call in (ledger.rows, lambda: claim(ledger, "new"), lambda: ledger.update(row.seq, error="x")):
                with pytest.raises(sd.LedgerError, match="cannot be used"):
                    call()
        server.start()
        assert ledger.count() == 1
        assert ledger.update(row.seq, error=str(how)).error == str(how)
        assert not claim(ledger)[1]


def test_a_server_without_a_free_connection_sends_nothing_and_says_so(
    url: str, provider: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_PAUSES_S", (0, None))
    taken = list[Any]()
    try:
        with pytest.raises(postgres.psycopg.OperationalError, match="connection slots"):
            taken += iter(lambda: postgres.psycopg.connect(url), None)
        session = session_at(provider, url, tmp_path)
        with pytest.raises(sd.LedgerError, match="connection slots"):
            session.submit(CRUN.model, **CRUN.fields)
    finally:
        for one in taken:
            one.close()
    assert provider.count(CREATE) == 0
    assert session.submit(CRUN.model, **CRUN.fields).is_new


class Relay:
    """A network between a kernel and the server that can stop passing anything on, without a word."""

    def __init__(self, target: str) -> None:
        self.target, self.is_cut = target, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open: list[socket.socket] = [self.listener]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            self.open += [near, far]
            for one, two in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(one, two), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self.is_cut.is_set():
                    return
                sink.sendall(data)
        except OSError:
            return
        finally:
            source.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        for one in self.open:
            one.close()


def test_a_kernel_behind_a_network_that_is_cut_for_longer_than_its_lease_sends_nothing(
    server: PostgresServer, url: str, other: Ledger, provider: FaultServer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(postgres, "_PAUSES_S", (0, None))
    monkeypatch.setitem(postgres._OPTIONS, "connect_timeout", 2)
    relay = Relay(str(server.root / ".s.PGSQL.5432"))
    name = url.split("/")[3].split("?", maxsplit=1)[0]
    session = session_at(provider, f"postgresql://tester@127.0.0.1:{relay.port}/{name}", tmp_path)
    try:
        session.tasks()
        claimed, is_over = threading.Event(), threading.Event()
        real = session.ledger.update

        def cut(seq: int, **changes: Any) -> Any:
            if changes.get("state") is State.SENDING:
                relay.is_cut.set()
                for one in relay.open[1:]:
                    one.shutdown(socket.SHUT_RDWR)
                claimed.set()
                is_over.wait(30)
            return real(seq, **changes)

        monkeypatch.setattr(session.ledger, "update", cut)
        session.submit(CRUN.model, **CRUN.fields)
        assert claimed.wait(30)
        expire(other)
        beyond = session_at(provider, url, tmp_path)
        assert beyond.submit(CRUN.model, **CRUN.fields).is_new
        until(lambda: provider.count(CREATE) == 1)
        relay.is_cut.clear()
        is_over.set()
        until(lambda: session.task("#1").state is State.UNSENT)
        until(lambda: beyond.task("#2").state is State.RUNNING)
        assert len(provider.charges) == 1
    finally:
        is_over.set()
        relay.close()


def test_a_budget_holds_for_many_kernels_at_once(url: str, ledger: Ledger) -> None:
    ledger.count()
    gate, sent = threading.Barrier(8), list[str]()

    def spend(number: int) -> None:
        own = Ledger(url)
        gate.wait()
        for take in range(5):
            try:
                claim(own, f"{number} {take}", estimate=PRICE, budget=100.0)
                sent.append(f"{number} {take}")
            except sd.OverBudget:
                pass
        own.close()

    threads = [threading.Thread(target=spend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(sent) == ledger.count() == 10
    with pytest.raises(sd.OverBudget, match="price of this request is not known"):
        claim(ledger, "of unknown price", budget=1e9)


def test_a_zero_character_that_a_server_cannot_save_loses_no_id(ledger: Ledger) -> None:
    row, _ = claim(ledger)
    after = ledger.update(row.seq, state=State.QUEUED, task_id="paid", word="a\0b")
    assert (after.task_id, after.word) == ("paid", "ab")


def test_the_whole_road_goes_over_a_server_and_no_key_is_in_it(url: str, provider: FaultServer, tmp_path: Path) -> None:
    provider.plans[STATUS] = [(tell("done"),)]
    session = session_at(provider, url, tmp_path)
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()
    assert session.generate(CRUN.model, timeout=60, **CRUN.fields).path.exists()
    assert provider.count(CREATE) == 1
    provider.plans[CREATE] = [(charge,)]
    with pytest.raises(sd.UnknownOutcome):
        session.generate(CRUN.model, take=2, timeout=60, **CRUN.fields)
    text = str([sql(session.ledger, query) for query in ("SELECT * FROM tasks", "SELECT * FROM shared")])
    assert provider.url in text  # the rate limit's row is there too
    assert CRUN.fields["prompt"][:20] in text
    assert child.KEY not in text
    assert "postgresql://" in repr(session.tasks())
    session.task("#1").forget()
    assert CRUN.fields["prompt"][:20] not in str(sql(session.ledger, "SELECT * FROM tasks WHERE seq = 1"))


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter22@127.0.0.1:1/x", "postgresql://me:hunter22@[/x", "mysql://me:hunter22@h/x"]
)
def test_a_url_that_does_not_work_is_an_error_without_its_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_PAUSES_S", (None,))
    monkeypatch.setenv("SEEDANCE_LEDGER", url)
    with pytest.raises(sd.LedgerError) as refused:
        sd.tasks()
    assert "hunter22" not in str(refused.value)
