"""What can go wrong, and what to do next.

    SeedanceError
    ├── SpecError            a document that cannot be used: .file, .pointer
    ├── OverBudget           the request would go beyond the budget: .budget, .spent, .price; nothing was sent
    ├── InvalidInput         .problems: all of them, each with path, value, limit and the document's sentence
    ├── Refused              the provider said no: .code, .provider_message
    │   ├── Unauthorized     the key is missing, wrong or disabled
    │   ├── NoCredits        the account has too few credits
    │   ├── RateLimited      too many requests: .retry_after in seconds, None if not said
    │   └── Unavailable      maintenance, or a feature that is switched off
    ├── Unreachable          no connection was made: .sent is False, so trying again is safe
    ├── UnknownOutcome       the request left, no clear answer came: .task; never sent again by itself
    ├── TaskFailed           the provider could not make the video: .task
    ├── WaitTimeout          still running when the waiting ended: .task (also a TimeoutError)
    ├── MediaError           what came back is not a video, or could not be fetched or kept: .task
    └── LedgerError          the ledger cannot be read or written; nothing is sent without it: .file

Each one has `.charged` ("not charged", "charged" or "unknown") and `.next_step`; both are part of its text.
Errors are equal when their types and facts are equal.
"""

import inspect
import os
import traceback
import warnings
from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten
from types import TracebackType
from typing import Literal

from seedance_nb._base.problem import Problem
from seedance_nb._base.text import quote_lines

Charged = Literal["not charged", "charged", "unknown"]


class MediaWarning(UserWarning):
    """A file of a request could not be looked at in every respect; the request is sent all the same."""


class KeyWarning(UserWarning):
    """A key stands in a cell of the notebook."""


class LimitWarning(UserWarning):
    """A request goes beyond a limit that is known from elsewhere and not from the provider's own page; it is sent all the same."""


def emit_warnings(doubts: Iterable[object], kind: type[Warning]) -> None:
    """Each doubt as a Python warning of this kind, which names the person's own line."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    for doubt in doubts:
        warnings.warn(str(doubt), kind, stacklevel=level)


def caller_line(frames: TracebackType | None) -> str:
    """The person's own line of code that led to an error, with its number; "" where it is not known. *reads files*."""
    own = [frame for frame in traceback.extract_tb(frames) if not frame.filename.startswith(_PACKAGE)]
    told = own[0] if own else None
    for frame in own:
        if "ipykernel" in frame.filename or frame.filename.startswith("<ipython"):
            told = frame
    if told is None or not told.line:
        return ""
    code = "" if "key" in told.line.casefold() else f":  {shorten(told.line, 90, placeholder=' …')}"
    return f"line {told.lineno}{code}"


_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
_MONEY = {
    "not charged": "Nothing was charged.",
    "charged": "The provider may bill this task.",
    "unknown": "Whether it was charged is not known.",
}


class SeedanceError(Exception):
    """The one class to catch for everything that this library raises on purpose."""

    def __init__(self, message: str = "", *, next_step: str = "", charged: Charged = "not charged") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.charged: Charged = charged

    def __str__(self) -> str:
        lines = [self.message, _MONEY[self.charged], f"Next: {self.next_step}" if self.next_step else ""]
        return "\n".join(line for line in lines if line)

    def _render_traceback_(self) -> list[str]:
        # IPython shows this in place of a traceback: the person's own line, and the help; `%debug` still has all frames.
        name = type(self).__name__
        line = caller_line(self.__traceback__)
        return [f"\x1b[31m{name}\x1b[0m{f' at {line}' if line else ''}", "", *str(self).splitlines()]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.message))


class SpecError(SeedanceError):
    """A document that cannot be used. `file` names it, `pointer` is a JSON Pointer to the place."""

    def __init__(
        self, message: str, *, file: str = "", pointer: str = "", next_step: str = "mend the document at that place"
    ) -> None:
        super().__init__(f"{file or 'document'}, {pointer or '/'}: {message}", next_step=next_step)
        self.args = (message,)
        self.file = file
        self.pointer = pointer


class OverBudget(SeedanceError):
    """No room in the budget, or no way to tell. `budget`, `spent` and `price` are in the provider's unit, None if unknown."""

    def __init__(
        self,
        message: str = "",
        *,
        budget: float | None = None,
        spent: float | None = None,
        price: float | None = None,
        next_step: str = "run it again with a larger budget= if it is worth that",
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.budget = budget
        self.spent = spent
        self.price = price


class InvalidInput(SeedanceError):
    """Input that the document does not allow; nothing was sent and nothing recorded. `problems` holds all of them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        text = "\n".join(f"  {number}. {problem}" for number, problem in enumerate(problems, 1))
        super().__init__(
            f"{count} in the request; nothing was sent:\n{text}", next_step="change these fields and run again"
        )
        self.args = (problems,)
        self.problems = problems


class Refused(SeedanceError):
    """The provider's documented no. `code` is its own number, `provider_message` are its own words."""

    hint = "read the provider's words above"

    def __init__(
        self,
        message: str = "",
        *,
        code: int | str | None = None,
        next_step: str = "",
        charged: Charged = "not charged",
    ) -> None:
        head = (
            f"The provider refused the request ({code}): {quote_lines(message)}"
            if code is not None
            else quote_lines(message)
        )
        super().__init__(head, next_step=next_step or self.hint, charged=charged)
        self.args = (message,)
        self.provider_message = message
        self.code = code


class Unauthorized(Refused):
    """The key is missing, malformed, wrong or disabled."""

    hint = "check the key; it is taken from api_key=, the environment, Colab's secrets, the keyring or sd.ask_key, in this order"


class NoCredits(Refused):
    """The account has too few credits."""

    hint = "top up the account, then run the same cell again"


class RateLimited(Refused):
    """Too many requests. `retry_after` is in seconds, None if the provider did not say."""

    hint = "wait a little, then run the same cell again"
    retry_after: float | None = None


class Unavailable(Refused):
    """The service is in maintenance or the feature is switched off."""

    hint = "try again later; the request was not taken"


class Unreachable(SeedanceError):
    """No connection to the provider was made, so no byte of the request left. `sent` is always False."""

    def __init__(
        self, message: str = "", next_step: str = "check the network and the address, then run the same cell again"
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.sent = False


class TaskError(SeedanceError):
    """An error about one task. `task` is its name in the ledger, for `sd.task(name)`."""

    def __init__(self, message: str = "", *, task: str = "", next_step: str = "", charged: Charged = "unknown") -> None:
        super().__init__(message, next_step=next_step, charged=charged)
        self.task = task


class UnknownOutcome(TaskError):
    """The request was sent and no clear answer came back; the same request is not sent again by itself."""


class TaskFailed(TaskError):
    """The provider accepted the task and could not make the video; the message holds its words."""


class WaitTimeout(TaskError, TimeoutError):
    """The waiting ended before the task did; the task goes on and can be taken up again."""


class MediaError(TaskError):
    """What came back is not the video that was promised, or could not be fetched or kept."""


class LedgerError(SeedanceError):
    """The ledger cannot be read or written; no new request is sent without it. `file` is where it lies."""

    def __init__(
        self, message: str = "", *, file: str = "", charged: Charged = "not charged", next_step: str = ""
    ) -> None:
        usual = f"make {file or 'the ledger'} readable and writable, or set SEEDANCE_LEDGER"
        super().__init__(message, charged=charged, next_step=next_step or usual)
        self.file = file
