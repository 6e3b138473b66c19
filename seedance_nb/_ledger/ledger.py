"""The ledger: one durable row per task, written before the first byte of its request is sent."""

import getpass
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from seedance_nb._base.errors import LedgerError, OverBudget
from seedance_nb._check.check import Approved, values_by_role
from seedance_nb._check.price import Estimate, unchecked_budget
from seedance_nb._ledger.database import default_path, real_path
from seedance_nb._ledger.process import this_process
from seedance_nb._ledger.repair import in_memory
from seedance_nb._ledger.row import CHANGEABLE, COLUMNS, EARLY_STATES, FREE_STATES, SELECT, Row, State, row_of
from seedance_nb._ledger.store import Store

if TYPE_CHECKING:  # psycopg is optional
    from seedance_nb._ledger import postgres, transaction

    Transaction = transaction.Transaction | postgres.Transaction

_T = TypeVar("_T")
_OTHER_TASK = "SELECT seq FROM tasks WHERE task_id = ? AND base_url = ? AND seq != ? AND state != ? LIMIT 1"
_OF_PROVIDER = "(spec = ? OR (spec >= ? AND spec < ?))"
_NEVER_SENT = ", ".join(f"'{state}'" for state in (*FREE_STATES, State.WAITING))
_FREE = f"(simulated = 1 OR state IN ({_NEVER_SENT}) OR (state = '{State.FAILED}' AND coalesce(credits, 1) = 0))"
_COST = f"CASE WHEN {_FREE} THEN 0 ELSE coalesce(credits, estimate, 0) END"
COSTS = {"free": _FREE, "paid": f"NOT {_FREE}", "100 or more": f"{_COST} >= 100", "500 or more": f"{_COST} >= 500"}
_OWN = "seq IN (SELECT seq FROM extras WHERE person = ? OR person IS NULL)"
_MARKED = "IN (SELECT seq FROM extras WHERE review"
MARKS = {
    "kept": f"seq {_MARKED} = 'keep')", "rejected": f"seq {_MARKED} = 'reject')",
    "not rejected": f"seq NOT {_MARKED} = 'reject')", "no mark": f"seq NOT {_MARKED} > '')",
}  # fmt: skip
SORTS = {"newest": "seq DESC", "oldest": "seq", "most expensive": f"{_COST} DESC, seq DESC"}


class Found(NamedTuple):
    """A row that was found, with its prompt and mark, and who sent it; `total` is how many rows the search has."""

    row: Row
    prompt: str
    mark: str
    person: str
    total: int


def intent_of(approved: Approved, base_url: str, take: int) -> str:
    """What the ledger knows a request by, as 64 hex digits: where it goes, what it says, and which take it is. *pure*."""
    identity = json.dumps([base_url, approved.spec.method, approved.spec.path, approved.digest, take])
    return hashlib.sha256(identity.encode()).hexdigest()


class Ledger:
    """An SQLite file with its journal, private to their owner, or a database on a server. Methods are thread-safe, writes on disk on return; `trouble` says why it can only be read. Any method can raise LedgerError."""

    def __init__(self, place: str | Path | None = None, now: Callable[[], float] = time.time) -> None:
        place = place or os.getenv("SEEDANCE_LEDGER") or default_path()
        if "://" in str(place):
            try:
                from seedance_nb._ledger.postgres import Server
            except ImportError:
                step = "run pip install 'seedance_nb[postgres]' and restart the kernel"
                raise LedgerError("A ledger on a server needs the package psycopg.", next_step=step) from None
            self._store: Server | Store = Server(str(place))
        else:
            self._store = Store(real_path(Path(place).expanduser()), now, in_memory)
        self.place, self.path = self._store.place, self._store.path
        self.may_send, self.share, self.wait = self._store.may_send, self._store.share, self._store.wait

    @property
    def trouble(self) -> str:
        """Why the ledger could not be read in full the last time, "" if it could."""
        return self._store.trouble

    @property
    def description(self) -> str:
        """Its path or server, followed by `trouble` if there is any."""
        return f"{self.place}; {self.trouble}" if self.trouble else self.place

    def own_person(self) -> str:
        """Whose rows are shown if nothing else is asked for, "" for everyone's: a file has those of one person. Reads the environment."""
        return person() if "://" in self.place or os.getenv("SEEDANCE_PERSON") else ""

    def claim(self, approved: Approved, *, base_url: str, simulated: bool, take: int = 1, fingerprint: str = "",
              estimate: Estimate | None = None, budget: float | None = None,
              replaces: int | None = None) -> tuple[Row, bool]:  # fmt: skip
        """The row for this request, and whether it is new; if it is, the caller must send it. *writes ledger*.

        The same request to the same URL with the same `take` has one row, unless that one certainly never became a task.
        `replaces` is the number of a row with an unknown outcome; a new row takes its place, once. Raises: OverBudget.
        """
        spec, by_role = approved.spec, values_by_role(approved.spec, approved.values)
        intent = intent_of(approved, base_url, take)

        def claimed(transaction: "Transaction") -> tuple[Row, bool]:
            # Without a budget the index on intents alone keeps two claims apart.
            transaction.settle(f"{spec.provider} {simulated}" if (budget, replaces) != (None, None) else "")
            # A row with an unknown outcome counts again if the request sent in its place never became a task.
            existing = transaction.db.execute(
                """SELECT seq FROM tasks AS it WHERE intent = ? AND state NOT IN (?, ?) AND (successor IS NULL
                OR (SELECT state FROM tasks WHERE seq = it.successor) IN (?, ?)) ORDER BY successor IS NULL DESC, seq DESC""",
                (intent, *FREE_STATES, *FREE_STATES),
            ).fetchone()
            row = transaction.row(existing[0]) if existing else None
            if row and (row.seq, row.state) != (replaces, State.UNKNOWN):
                return row, row.seq in transaction.leases
            price = estimate or Estimate(unit=spec.price.unit)
            if budget is not None and not unchecked_budget(spec, price, budget, simulated=simulated):
                require_budget(transaction.db, spec.provider, price, budget, simulated=simulated, base_url=base_url)
            if row:
                transaction.change(row.seq, {"successor": 0})
            seq = transaction.insert({
                "intent": intent, "kind": json.dumps([spec.name, simulated, by_role.get("resolution"), by_role.get("seconds")]),
                "key_fingerprint": fingerprint, "spec": spec.name, "base_url": base_url, "simulated": int(simulated),
                "digest": approved.digest, "take": take, "body": approved.body, "state": State.WAITING,
                "created": transaction.now, "owner": this_process(),
                "estimate": estimate.amount if estimate else None, "unit": spec.price.unit, "budget": budget,
            }, person(), str(by_role.get("prompt", "")).casefold())  # fmt: skip
            if row:
                transaction.change(row.seq, {"successor": seq})
            return transaction.row(seq), True

        return self._store.transact(claimed)

    def update(self, seq: int, *, only_in: Collection[State] | None = None, created: float | None = None,
               **changes: Any) -> Row:  # fmt: skip
        """The row after `changes` to its columns, saved as an event too; with `only_in`, only in one of these states and if no request was sent in its place. *writes ledger*. Raises: LedgerError, also if it was not `created` then (Unix seconds): it is another ledger's row."""
        if unknown := set(changes) - CHANGEABLE:
            raise TypeError(f"not columns that change: {sorted(unknown)}")
        columns = {name: _to_column(value) for name, value in changes.items()}
        task_id = columns.get("task_id")

        def changed(transaction: "Transaction") -> Any:
            if task_id:  # one after the other, because two answers that arrive at once may name one task
                transaction.settle(task_id)
            current = transaction.row(seq)
            if current is None or not _is_same(current.created, created):
                return None
            is_elsewhere = current.state in EARLY_STATES and current.owner != this_process()
            if only_in is not None and (current.state not in only_in or current.successor is not None or is_elsewhere):
                return current
            key = task_id, current.base_url, seq, State.UNKNOWN
            if task_id and (other := transaction.db.execute(_OTHER_TASK, key).fetchone()):
                why = f"the provider returned the id {task_id}, which belongs to another request (number {other[0]})"
                columns.update(state=State.UNKNOWN, task_id="", accepted=None, error=why)
            transaction.change(seq, columns)
            return transaction.row(seq)

        try:
            row: Row | None = self._store.transact(changed)
        except LedgerError as error:
            if where := self._store.save_elsewhere(seq, created, columns, is_certain=only_in is None):
                error.message += f" The {where} and is applied the next time the ledger is opened."
            raise
        if row is None:
            text = f"The ledger {self.place} no longer has task #{seq}: the file was moved or replaced in the meantime."
            raise LedgerError(text, file=self.place)
        return row

    def forget(self, row: Row, *, files: bool) -> None:
        """Remove a row's request, and the names of its `files`, from every file of the ledger. *writes ledger*."""
        self.update(row.seq, created=row.created, error="")  # raises if another ledger is at this path by now
        self._store.forget(row.seq, files=files)

    def refreshed(self, row: Row) -> Row:
        """The row as it is now in the ledger; unchanged if another ledger is at this path by now. *reads files*."""
        existing = self.row(row.seq)
        return existing if existing and _is_same(existing.created, row.created) else row

    def contains(self, row: Row) -> bool:
        """Whether the ledger still has this row; True if it cannot be read. *reads files*."""
        with suppress(LedgerError):
            existing = self.row(row.seq)
            return existing is not None and _is_same(existing.created, row.created)
        return True

    def row(self, name: str | int) -> Row | None:
        """The row with this number, `#number-mark`, provider's id, or `provider:id`; None if there is none."""
        text = str(name)
        if numbered := re.fullmatch(r"#?([0-9]{1,18})(?:-([0-9a-f]{4}))?", text):
            found = self._select(f"{SELECT} WHERE seq = ?", int(numbered[1]), each=row_of)
            return next((row for row in found if numbered[2] in (None, row.mark)), None)
        provider, _, task_id = text.partition(":")
        query = f"""{SELECT} WHERE task_id != '' AND (task_id = ? OR (task_id = ? AND {_OF_PROVIDER}))
            ORDER BY seq DESC LIMIT 1"""
        return next(iter(self._select(query, text, task_id, *models_of(provider), each=row_of)), None)

    def other_task(self, row: Row, task_id: str) -> Row | None:
        """Another row whose task certainly has this id at the same provider, None if there is none. *reads files*."""
        found = self._select(_OTHER_TASK, task_id, row.base_url, row.seq, State.UNKNOWN, each=lambda one: int(one[0]))
        return self.row(found[0]) if found else None

    def rows(self, limit: int = 100, person: str = "") -> list[Row]:
        """The latest rows, unresolved ones first, then newest first; only of this person and of those who are not known."""
        lost, own = "state IN (?, ?) AND successor IS NULL", _OWN if person else "1 = 1"
        query = f"""{SELECT} WHERE seq IN (SELECT seq FROM (SELECT seq FROM tasks WHERE {lost} AND {own} ORDER BY seq DESC LIMIT ?) AS lost
            UNION SELECT seq FROM (SELECT seq FROM tasks WHERE {own} ORDER BY seq DESC LIMIT ?) AS latest)
            ORDER BY {lost} DESC, seq DESC LIMIT ?"""  # noqa: S608 - texts of our own
        states, whose = (State.UNKNOWN, State.SENDING), [person] * bool(person)
        return self._select(query, *states, *whose, limit, *whose, limit, *states, limit, each=row_of)

    def count(self, person: str = "") -> int:
        """How many rows there are, of this person and of those who are not known."""
        query = f"SELECT count(*) FROM tasks WHERE {_OWN if person else '1 = 1'}"  # noqa: S608 - texts of our own
        return self._select(query, *[person] * bool(person), each=lambda found: int(found[0]))[0]

    def spending(self) -> list[dict[str, Any]]:
        """What each person's tasks of each model cost, in each unit; one whose price is not known counts nothing."""
        query = f"""SELECT coalesce(extras.person, ''), spec, unit, count(*), sum({_COST}) FROM tasks LEFT JOIN extras
            ON extras.seq = tasks.seq WHERE NOT {_FREE} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""  # noqa: S608 - texts of our own
        names = ("person", "model", "unit", "tasks", "cost")
        return self._select(query, each=lambda found: dict(zip(names, found, strict=True)))

    def search(self, prompt: Callable[[str, str], str], limit: int, offset: int, *, words: str = "", model: str = "",
               state: str = "", day: date | None = None, cost: str = "", mark: str = "", sort: str = "newest",
               person: str = "") -> list[Found]:  # fmt: skip
        """The rows with these `words` in what `prompt` returns for model and body; `day` is a local one; "" and None are any."""
        start = datetime.combine(day, datetime.min.time()) if day else None
        days = [start.timestamp(), (start + timedelta(days=1)).timestamp()] if start else [0, math.inf]
        equals = {"spec = ?": model, "state = ?": state, _OWN: person}
        parts = {condition: value for condition, value in equals.items() if value}
        found = words.casefold().split()
        having = " AND ".join(["instr(words, ?) > 0"] * len(found)) or "1 = 0"
        conditions = ["created >= ? AND created < ?", COSTS.get(cost), MARKS.get(mark), *parts]
        conditions += ["seq IN (SELECT seq FROM found)"] * bool(found)
        hits = f"FROM tasks WHERE {' AND '.join(filter(None, conditions))}"
        statement = f"""WITH found AS MATERIALIZED (SELECT seq FROM extras WHERE {having}),
            page AS (SELECT seq {hits} ORDER BY {SORTS[sort]} LIMIT ? OFFSET ?)
            SELECT {", ".join(COLUMNS)}, coalesce((SELECT review FROM extras WHERE extras.seq = tasks.seq), ''),
            coalesce((SELECT person FROM extras WHERE extras.seq = tasks.seq), ''), (SELECT count(*) {hits}) FROM tasks WHERE seq IN (SELECT seq FROM page) ORDER BY {SORTS[sort]}"""  # noqa: S608 - texts of our own
        if cost or day or model or found:
            statement = statement.replace("BY seq", "BY +seq")  # so that an index is read instead of every whole row
        values = [*days, *parts.values()]
        values = [*found, *values, limit, offset, *values]

        def unread(db: Any) -> list[tuple[str, int]]:
            where = "seq IN (SELECT seq FROM extras WHERE words IS NULL)"
            rows = db.execute(f"SELECT spec, body, seq FROM tasks WHERE {where}")  # noqa: S608 - texts of our own
            return [(text.casefold(), seq) for spec, body, seq in rows if (text := prompt(spec, body))]

        def save(db: Any, rows: list[tuple[str, int]]) -> None:
            is_kept = """(SELECT body FROM tasks WHERE tasks.seq = extras.seq) != '""'"""  # not forgotten meanwhile
            for row in rows:
                db.execute(f"UPDATE extras SET words = ? WHERE seq = ? AND {is_kept}", row)  # noqa: S608

        def look(db: Any) -> list[Found]:
            if found and self.trouble:  # the copy in memory of a damaged ledger
                save(db, unread(db))
            rows = db.execute(statement, values)
            return [Found(row := row_of(one[:-3]), prompt(row.spec, row.body), *one[-3:]) for one in rows]

        if found and (older := self._store.read(unread)) and not self.trouble:  # from a version that saves none
            self._store.transact(lambda transaction: save(transaction.db, older))
        return self._store.read(look)

    def set_mark(self, row: Row, mark: str | list[str], name: str = "review") -> None:
        """Save a person's mark of a row: "keep", "reject" or ""; or texts without a column: the `frame`'s URLs, or the SHA-256 of each `film`. *writes ledger*."""
        # With a column that stays as it is, because a version without marks applies the columns that it knows.
        self._store.transact(lambda transaction: transaction.change(row.seq, {"created": row.created, name: mark}))

    def marks(self, row: Row, name: str) -> list[str]:
        """The texts that `set_mark` saved last under this name. *reads files*."""
        query = "SELECT json_extract(changes, ?) FROM events WHERE task = ? AND instr(changes, ?) > 0 ORDER BY rowid DESC LIMIT 1"
        found = self._select(query, f"$.{name}", row.seq, f'"{name}"', each=lambda found: found[0])
        return list(map(str, json.loads(found[0]))) if found and found[0] else []

    def history(self, row: Row) -> tuple[float, ...]:
        """Seconds from acceptance to the end of the last 30 finished tasks of the same kind, oldest first. *reads files*."""
        # Times over a day, or negative, are left out: the clock was changed.
        query = """SELECT finished - accepted FROM tasks WHERE kind = (SELECT kind FROM tasks WHERE seq = ?)
            AND state = ? AND finished > accepted AND finished - accepted < 86400 ORDER BY seq DESC LIMIT 30"""
        return tuple(reversed(self._select(query, row.seq, State.DONE, each=lambda found: float(found[0]))))

    def takes(self, approved: Approved) -> int:
        """The highest take of this request that may exist at the provider, 0 if there is none."""
        query = "SELECT max(take) FROM tasks WHERE digest = ? AND state NOT IN (?, ?)"
        return self._select(query, approved.digest, *FREE_STATES, each=lambda found: int(found[0] or 0))[0]

    def of_intents(self, intents: Collection[str]) -> dict[str, Row]:
        """The row of each of these requests that has one which may exist at a provider. *reads files*."""
        where = "intent IN (SELECT value FROM json_each(?)) AND state NOT IN (?, ?) AND successor IS NULL ORDER BY seq"
        query = f"SELECT {', '.join(COLUMNS)}, intent FROM tasks WHERE {where}"  # noqa: S608 - texts of our own
        found = self._select(query, json.dumps([*intents]), *FREE_STATES, each=lambda one: (one[-1], row_of(one[:-1])))
        return dict(found)

    def require_budget(self, provider: str, price: Estimate, budget: float, **more: Any) -> None:
        """`require_budget` for this ledger, before anything is claimed. *reads files*. Raises: OverBudget."""
        self._store.read(lambda db: require_budget(db, provider, price, budget, **more))

    def close(self) -> None:
        self._store.close()

    def _select(self, statement: str, *values: Any, each: Callable[[Any], _T]) -> list[_T]:
        return self._store.read(lambda db: [each(found) for found in db.execute(statement, values)])


def person() -> str:
    """Who sends requests: `SEEDANCE_PERSON`, else the login name. Reads the environment."""
    with suppress(OSError, KeyError, ImportError):  # a container's user may have no name
        return os.getenv("SEEDANCE_PERSON") or getpass.getuser()
    return ""


def _is_same(actual: float, expected: float | None) -> bool:
    return expected is None or actual in (expected, 0.0)  # a rebuilt ledger has 0 if the time was lost


def _to_column(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return json.dumps(list(value))
    if isinstance(value, str):  # half of a surrogate pair cannot be written; a provider's words may hold one
        return str(value).encode("utf-8", "replace").decode()
    return int(value) if isinstance(value, bool) else value


def models_of(provider: str) -> tuple[str, str, str]:
    """The values for `_OF_PROVIDER`: a model of one's own has no slash in its name, which is its provider's too. *pure*."""
    return provider, f"{provider}/", f"{provider}0"  # the character after the slash


def require_budget(db: Any, provider: str, price: Estimate, budget: float, *, simulated: bool, base_url: str,
                   count: int = 1) -> None:  # fmt: skip
    """Check that the provider's tasks in this ledger and `count` more, at this price together, stay within `budget`. *reads files*.

    A finished task counts at its reported cost, else at its estimate; any other, also one with an unknown outcome, at the larger.
    Simulated and paid tasks are counted separately, in the price's unit; what a served simulator charged counts there. Raises: OverBudget, also if a price is not known.
    """
    unit, kind = price.unit, "simulated " if simulated else ""
    if price.amount is None or price.at_least:
        why = price.why.rstrip(".") or ("only a minimum is known" if price.at_least else "no price is published")
        text = f"The price of this {kind}request is not known ({why}), so it cannot be checked against the budget of {budget:g} {unit}. Nothing was sent."
        step = "see what is known with sd.estimate(...), or leave out budget= to send it at any price"
        raise OverBudget(text, budget=budget, next_step=step)
    served = [base_url] if base_url.startswith(("http://127.0.0.1:", "http://localhost:")) else []
    spent, unpriced, is_free = db.execute(
        f"""SELECT coalesce(sum(CASE WHEN finished IS NOT NULL THEN coalesce(credits, estimate)
            WHEN credits > estimate OR estimate IS NULL THEN credits ELSE estimate END), 0),
        coalesce(sum(CASE WHEN (credits IS NULL AND estimate IS NULL) OR unit != ? THEN 1 ELSE 0 END), 0), max(simulated) FROM tasks
        WHERE {_OF_PROVIDER} AND (simulated = ?{" OR base_url = ?" * len(served)}) AND state NOT IN (?, ?)""",  # noqa: S608 - a text of our own
        (unit, *models_of(provider), int(simulated), *served, *FREE_STATES),
    ).fetchone()
    figures: dict[str, Any] = {"budget": budget, "spent": spent, "price": price.amount}
    if unpriced and not simulated:
        tasks = "1 earlier task" if unpriced == 1 else f"{unpriced} earlier tasks"
        text = f"The price of {tasks} of {provider} in this ledger is not known in {unit}, so what is left of the budget of {budget:g} {unit} is not known either. Nothing was sent."
        step = "start a new ledger with sd.Session(ledger='project.sqlite3', budget=...) or SEEDANCE_LEDGER"
        raise OverBudget(text, next_step=step, **figures)
    if spent + price.amount > budget:
        what = f"This {kind}request costs" if count == 1 else f"These {count} {kind}requests cost"
        text = f"{what} {price.amount:g} {unit}, but only {max(budget - spent, 0):g} of the budget of {budget:g} {unit} are left: the {kind}tasks of {provider} in this ledger add up to {spent:g} {unit}{' (simulated ones are free, but a budget counts what they would cost)' if simulated or is_free else ''}. Nothing was sent."
        if count > 1:
            least = f"budget={spent + price.amount:.10g}"
            figures["next_step"] = f"leave some of them out, or create it again with {least} or more"
        raise OverBudget(text, **figures)
