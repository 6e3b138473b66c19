"""Rows whose process ended before it saw an answer."""

import sqlite3

from seedance_nb._ledger.process import is_gone
from seedance_nb._ledger.row import EARLY_STATES, State
from seedance_nb._ledger.transaction import Page

_ORPHANED = {
    State.WAITING: (State.UNSENT, "the process that was going to send it ended before anything had left"),
    State.SENDING: (State.UNKNOWN, "the process that sent it ended before it saw the answer"),
}


def settle_orphans(page: Page) -> None:
    """Says of each row that a process left behind what may have become of its request."""
    # A process that died between the ledger and the answer may have sent the request: never ours to send again.
    for seq, state in orphans(page.db, page.now()):
        after, why = _ORPHANED[State(state)]
        page.change(seq, {"state": str(after), "error": why})


def orphans(db: sqlite3.Connection, now: float) -> list[tuple[int, str]]:
    """Number and state of each row whose process ended before it saw an answer, at `now` (Unix seconds). *reads files*."""
    early = db.execute("SELECT seq, owner, state, created FROM tasks WHERE state IN (?, ?)", [*map(str, EARLY_STATES)])
    left = []
    for seq, owner, state, created in early.fetchall():
        (last,) = db.execute("SELECT max(at) FROM events WHERE task = ?", (seq,)).fetchone()
        if is_gone(owner, now - (last or created)):
            left.append((seq, state))
    return left
