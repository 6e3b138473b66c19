"""What a ledger needs of the place that has its rows: a file with its journal (`store`), or a server that kernels share (`postgres`)."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Transaction(Protocol):
    """One transaction, with the texts of `ledger` as its statements; all of it is durable once it ends, or nothing."""

    db: Any

    @property
    def now(self) -> Callable[[], float]: ...
    def settle(self, account: str = "") -> None:
        """Set the states of rows whose owners have ended; transactions that name one `account` wait for each other."""

    def row(self, seq: int) -> Any:
        """The row with this number, None if there is none."""

    def is_own(self, seq: int) -> bool:
        """Whether this call has inserted the row already, and only its answer was lost."""

    def insert(self, values: dict[str, Any], person: str, words: str) -> int:
        """Insert a row with these columns; return its number."""

    def change(self, seq: int, changes: dict[str, Any]) -> None:
        """Change columns of a row, and what is saved with it."""


class Backend(Protocol):
    """Where the rows are; `trouble` says why they cannot all be read, and `path` is where the ledger's other files are."""

    place: str
    path: Path
    trouble: str

    @property
    def share(self) -> Callable[..., Any] | None: ...

    def transact(self, work: Callable[[Transaction], T]) -> T: ...
    def read(self, work: Callable[[Any], T]) -> T: ...
    async def wait(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Wait until another kernel may have changed a row."""

    def may_send(self, seq: int) -> bool: ...
    def forget(self, seq: int, *, files: bool) -> None: ...
    def save_elsewhere(self, seq: int, created: float | None, changes: dict[str, Any], *, is_certain: bool) -> str: ...
    def close(self) -> None: ...
