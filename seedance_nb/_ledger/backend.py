"""What a ledger needs of the place that has its rows: a file with its journal (`store`), or a server that kernels share (`postgres`)."""

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Transaction(Protocol):
    """One transaction, in SQL that both understand; at its end all of it is durable, or nothing.

    `settle` sets the states of rows whose owners have ended; transactions that settle the same account wait for each other.
    `row` is None for a number that there is not; `leases` has the rows that this call has inserted, even if its answer was lost.
    """

    db: Any

    @property
    def now(self) -> Callable[[], float]: ...
    @property
    def leases(self) -> Collection[int]: ...
    def settle(self, account: str = "") -> None: ...
    def row(self, seq: int) -> Any: ...
    def insert(self, values: dict[str, Any], person: str, words: str) -> int: ...
    def change(self, seq: int, changes: dict[str, Any]) -> None: ...


class Backend(Protocol):
    """Where the rows are; `trouble` says why they cannot all be read, and `path` is where the ledger's other files are.

    `wait` ends when another kernel may have changed a row, `may_send` is whether a row is still this process's, `save_elsewhere`
    returns where a change is that could not be saved, and `share` runs a function on a state that all kernels have in common.
    """

    place: str
    path: Path
    trouble: str

    @property
    def share(self) -> Callable[..., Any] | None: ...
    def transact(self, work: Callable[[Transaction], T]) -> T: ...
    def read(self, work: Callable[[Any], T]) -> T: ...
    async def wait(self, sleep: Callable[[float], Awaitable[None]]) -> None: ...
    def may_send(self, seq: int) -> bool: ...
    def forget(self, seq: int, *, files: bool) -> None: ...
    def save_elsewhere(self, seq: int, created: float | None, changes: dict[str, Any], *, is_certain: bool) -> str: ...
    def close(self) -> None: ...
