"""The exceptions and warnings of the package.

    SeedanceError
    ├── SpecError            a schema that cannot be used: .file, .pointer
    ├── OverBudget           the request would exceed the budget: .budget, .spent, .price
    ├── InvalidInput         a request that breaks documented limits: .problems has all of them
    ├── Refused              the provider rejected the request: .code, .provider_message
    │   ├── Unauthorized     the key is missing, wrong or disabled
    │   ├── NoCredits        the account has too few credits
    │   ├── RateLimited      too many requests: .retry_after in seconds, None if not reported
    │   └── Unavailable      maintenance, or a feature that is switched off
    ├── Unreachable          no connection was made: .sent is False, so trying again is safe
    ├── UnknownOutcome       the request may or may not have been charged: .task; never sent again automatically
    ├── TaskFailed           the provider could not generate the video: .task
    ├── WaitTimeout          the task is still running: .task (also a TimeoutError)
    ├── MediaError           the result is not a video, or could not be downloaded or saved: .task
    └── LedgerError          the ledger cannot be read or written; nothing is sent without it: .file

Each has `.charged` ("not charged", "charged" or "unknown") and `.next_step`. Both are part of its text; without a request, money is not.
"""

import inspect
import os
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar, Literal, Self

from seedance_nb._base.html import FG, FONT, WARN, Html, cell_publisher
from seedance_nb._base.problem import Problem
from seedance_nb._base.values import ABSENT, quote_lines

Charged = Literal["not charged", "charged", "unknown"]
_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
_MONEY: dict[Charged, str] = {
    "not charged": "Nothing was charged.",
    "charged": "The provider may charge for this task.",
    "unknown": "You may have been charged.",
}


class MediaWarning(UserWarning):
    """A file of a request could not be fully checked; the request is sent anyway.

    >>> import warnings
    >>> warnings.simplefilter("error", sd.MediaWarning)
    """


class KeyWarning(UserWarning):
    """An API key is written in a cell, so it is saved in the notebook. The warning does not show the key.

    >>> import warnings
    >>> warnings.simplefilter("error", sd.KeyWarning)
    """


class LimitWarning(UserWarning):
    """A request exceeds a limit that comes from other sources, not from the provider's own docs; it is sent anyway.

    >>> import warnings
    >>> warnings.simplefilter("ignore", sd.LimitWarning)
    """


def emit_warnings(messages: Iterable[object], category: type[Warning]) -> None:
    """Issues each message as a Python warning that points at the caller's own line."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    with calm_warnings():
        for message in messages:
            warnings.warn(str(message), category, stacklevel=level)


@contextmanager
def calm_warnings() -> Iterator[None]:
    """Within the block, a notebook shows a warning as a line of its own; Python's is red and names files of ipykernel."""
    publisher, was = cell_publisher(), warnings.formatwarning

    def show(message: object, category: type[Warning], *_: object) -> str:
        style = f"{FONT};{FG};{WARN};font-weight:400;white-space:pre-line"
        html = Html('<div style="{}">{}</div>').format(style, message)
        publisher.publish(data={"text/plain": f"{category.__name__}: {message}", "text/html": str(html)})
        return ""  # what Python writes to stderr

    if publisher and warnings.showwarning.__module__.endswith("warnings"):  # nobody else shows them
        warnings.formatwarning = show  # type: ignore[assignment]
    try:
        yield
    finally:
        warnings.formatwarning = was


class Step(str):
    """A next step, with `{}` replaced: by `code` in the text itself, by `panel` for a panel, which has buttons instead of cells."""

    __slots__ = ("panel",)
    panel: str

    def __new__(cls, text: str, code: str = "run the cell again", panel: str = "press Generate again") -> Self:
        step = super().__new__(cls, text.replace("{}", code))
        step.panel = text.replace("{}", panel)
        return step


class SeedanceError(Exception):
    """The base class of every error that this package raises on purpose.

    Attributes: `message` (what happened), `charged` ("not charged", "charged" or "unknown") and `next_step`.
    With `charged=None` no request was involved, so the text says nothing about money.

    >>> print(sd.SeedanceError("The disk is full.", next_step="free some space"))
    The disk is full.
    Nothing was charged.
    Next: free some space
    """

    _money: ClassVar = _MONEY

    def __init__(self, message: str = "", *, next_step: str = "", charged: Charged | None = "not charged") -> None:
        super().__init__(message)
        self.message, self.next_step = message, next_step
        self.charged: Charged = charged or "not charged"
        self._involves_request = charged is not None

    def __str__(self) -> str:
        money = self._money[self.charged] if self._involves_request else ""
        lines = [self.message, money, f"Next: {self.next_step}" if self.next_step else ""]
        return "\n".join(line for line in lines if line)

    def _render_traceback_(self) -> list[str]:
        # IPython shows this instead of a traceback: the caller's own line and the message; `%debug` still has all frames.
        frames = [(one.filename, one.lineno, one.line) for one in traceback.extract_tb(self.__traceback__) if one.line]
        frames = [frame for frame in frames if not frame[0].startswith(_PACKAGE)]
        cells = [frame for frame in frames if "ipykernel" in frame[0] or frame[0].startswith("<ipython")]
        place = ""
        for _, number, line in (cells[-1:] or frames)[:1]:
            is_hidden = "key" in line.casefold() or line.startswith("get_ipython()")  # what IPython makes of a magic
            code = "" if is_hidden else f":  {shorten(line, 90, placeholder=' …')}"
            place = f" at line {number}{code}"
        return [f"\x1b[31m{type(self).__name__}\x1b[0m{place}", "", *str(self).splitlines()]


class StoppedWaiting(KeyboardInterrupt):
    """Stop was pressed while a cell waited for a task, which continues."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[33m{self}\x1b[0m"]


class SpecError(SeedanceError):
    """A schema, or a model's name, that cannot be used: `file` is the schema file, `pointer` a JSON Pointer to the problem in it.

    >>> error = sd.SpecError("must be text", file="model.yaml", pointer="/x-task")
    >>> error.message
    'model.yaml, /x-task: must be text'
    """

    def __init__(self, message: str, *, file: str = "", pointer: str = "",
                 next_step: str = "correct the schema at this path") -> None:  # fmt: skip
        prefix = f"{file or 'schema'}, {pointer or '/'}: " if file or pointer else ""
        super().__init__(prefix + message, next_step=next_step, charged=None)
        self.args, self.file, self.pointer = (message,), file, pointer


class OverBudget(SeedanceError):
    """The request would exceed `budget=`, or its price is unknown; nothing was sent.

    Attributes: `budget`, `spent` and `price` in the provider's unit, None if unknown.

    >>> sd.OverBudget("Too expensive.", budget=40, spent=12.5, price=30).price
    30
    """

    def __init__(self, message: str = "", *, budget: float | None = None, spent: float | None = None,
                 price: float | None = None, next_step: str = "") -> None:  # fmt: skip
        larger = "a larger budget=" if spent is None or price is None else f"budget={spent + price:.10g} or more"
        usual = Step(f"to send it anyway, {{}} with {larger}", "run it again", "open the panel again")
        super().__init__(message, next_step=next_step or usual)
        self.budget, self.spent, self.price = budget, spent, price


class InvalidInput(SeedanceError):
    """A request that the model's schema does not allow; nothing was sent or recorded. `problems` has every `sd.Problem`.

    >>> try:
    ...     sd.submit("crun/seedance-2.0-i2v", promt="A fox runs")
    ... except sd.InvalidInput as error:
    ...     print(error.problems[0].message)
    unknown field; did you mean 'prompt'?
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        is_request = any(problem.path[:1] in ("", "/") for problem in problems)  # arguments have no JSON Pointer
        lines = "".join(f"\n  {number}. {problem}" for number, problem in enumerate(problems, 1))
        text = f"{count} in the {'request; nothing was sent' if is_request else 'arguments; nothing was done'}:{lines}"
        step = Step("fix the problems above, then {}")
        super().__init__(text, next_step=step, charged="not charged" if is_request else None)
        self.args, self.problems = (problems,), problems


def argument_error(name: str, message: str, value: Any = ABSENT, limit: Any = None, rule: str = "") -> InvalidInput:
    return InvalidInput((Problem(path=name, message=message, rule=rule or name, value=value, limit=limit),))


def require_count(name: str, value: int | None, most: int = 0, unit: str = "") -> int:
    """The value of an argument that must be a whole number from 1 on, with `most` up to that. *pure*. Raises: InvalidInput."""
    if type(value) is int and 1 <= value <= (most or value):
        return value
    span = f"{unit} from 1 to {most:,}" if most else ", 1 or more"
    raise argument_error(name, f"must be a whole number{span}, not {value!r}", value, 1)


class Refused(SeedanceError):
    """The provider rejected the request with a documented error: `code` and, in its own words, `provider_message`.

    >>> error = sd.Refused("Model not found", code=404)
    >>> error.code, error.provider_message
    (404, 'Model not found')
    """

    hint: str = "read the provider's message above"

    def __init__(self, message: str = "", *, code: int | str | None = None, next_step: str = "",
                 charged: Charged = "not charged", provider: str = "The provider") -> None:  # fmt: skip
        intro = "" if code is None else f"{provider} rejected the request ({code}): "
        super().__init__(intro + quote_lines(message), next_step=next_step or self.hint, charged=charged)
        self.args, self.provider_message, self.code = (message,), message, code


class Unauthorized(Refused):
    """The API key is missing, malformed, wrong or disabled.

    >>> isinstance(sd.Unauthorized("Invalid key", code=401), sd.Refused)
    True
    """

    hint = "check the key; it is read from api_key=, the environment, Colab's secrets, the keyring or sd.ask_key, in this order"


class NoCredits(Refused):
    """The account has too few credits.

    >>> sd.NoCredits("Insufficient credits", code=402).next_step
    'top up the account, then run the cell again'
    """

    hint = Step("top up the account, then {}")


class RateLimited(Refused):
    """The provider received too many requests. `retry_after` is the seconds to wait, None if the provider did not report them.

    >>> sd.RateLimited("Slow down", code=429).retry_after is None
    True
    """

    hint = Step("wait a moment, then {}")
    retry_after: float | None = None


class Unavailable(Refused):
    """The service is in maintenance, or the feature is switched off.

    >>> sd.Unavailable("Maintenance", code=455).charged
    'not charged'
    """

    hint = "try again later; the request was not accepted"


class Unreachable(SeedanceError):
    """No connection to the provider was made, so the request was not sent: `sent` is always False.

    >>> sd.Unreachable("No route to api.crun.ai.").sent
    False
    """

    def __init__(self, message: str = "", next_step: str = Step("check the network and the URL, then {}")) -> None:
        super().__init__(message, next_step=next_step)
        self.sent = False


class TaskError(SeedanceError):
    """An error about one task. `task` is its name in the ledger, for `sd.task(name)`."""

    def __init__(self, message: str = "", *, task: str = "", next_step: str = "",
                 charged: Charged | None = "unknown") -> None:  # fmt: skip
        super().__init__(message, next_step=next_step, charged=charged)
        self.task = task


class UnknownOutcome(TaskError):
    """The request was sent and its answer was lost, so it may or may not have been charged.

    It is never sent again automatically. Attributes: `task`, for `sd.task(name).resolve()`.

    >>> sd.UnknownOutcome("The connection broke.", task="#1-3f9c").charged
    'unknown'
    """


class TaskFailed(TaskError):
    """The provider accepted the task and could not generate the video: `task` is its name for `sd.task`, the message has the provider's words.

    >>> sd.TaskFailed("Moderation.", task="crun:task_1").task
    'crun:task_1'
    """


class WaitTimeout(TaskError, TimeoutError):
    """The `timeout=` of a wait has passed; the task is still running, and `sd.task(error.task).wait()` resumes it.

    >>> isinstance(sd.WaitTimeout("Still running.", task="crun:task_1"), TimeoutError)
    True
    """

    _money: ClassVar = _MONEY | {"not charged": "Nothing has been charged yet."}


class MediaError(TaskError):
    """The result is not a valid video, or it could not be downloaded or saved. `task` is its name for `sd.task`.

    >>> sd.MediaError("The file is empty.", task="crun:task_1", charged="charged").charged
    'charged'
    """


class LedgerError(SeedanceError):
    """The ledger, whose path is `file`, cannot be read or written; no new request is sent without it.

    >>> sd.LedgerError("The disk is full.", file="ledger.sqlite3").file
    'ledger.sqlite3'
    """

    def __init__(self, message: str = "", *, file: str = "", charged: Charged = "not charged",
                 next_step: str = "") -> None:  # fmt: skip
        usual = f"make {file or 'the ledger'} readable and writable, or set SEEDANCE_LEDGER"
        super().__init__(message, charged=charged, next_step=next_step or usual)
        self.file = file


def error_text(error: Exception) -> str:
    """The text of an error, with its type if the error is unexpected or has no text. *pure*."""
    is_known = isinstance(error, SeedanceError) and str(error)
    return str(error) if is_known else f"Something unexpected happened: {error!r}"


for _class in [*vars().values()]:
    # Public classes say where users find them: in tracebacks, in `help()` and in pickles.
    if isinstance(_class, type) and issubclass(_class, SeedanceError | UserWarning):
        _class.__module__ = "seedance_nb"
