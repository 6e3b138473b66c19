"""What is logged, through `logging.getLogger("seedance_nb")`: names of tasks, states and hosts; never a key or a signed address.

INFO tells what happens to a task, DEBUG also in whose words.
"""

import logging
import re
import traceback

from seedance_nb._base.secret import mask_keys
from seedance_nb._base.text import strip_queries

LOG = logging.getLogger("seedance_nb")
THREAD = "seedance_nb"
"""How the names of our own threads begin; what other libraries log in them is about our requests."""

_OTHERS = (
    "httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks", "asyncio",
)  # fmt: skip
_HEADERS = re.compile(r"\[\(b['\"].*", re.DOTALL)
_REST = re.compile(r"\?[^\s'\"]+")


class _RedactingFilter(logging.Filter):
    """Takes keys, queries and headers out of records about our requests; those of the person's own are let be."""

    def filter(self, record: logging.LogRecord) -> bool:
        own = record.name == LOG.name
        if own or (record.threadName or "").startswith(THREAD):
            text = strip_queries(mask_keys(record.getMessage()))
            record.msg = text if own else _REST.sub("?…", _HEADERS.sub("[headers]", text))
            record.args = ()
        if own and record.exc_info:
            record.exc_text, record.exc_info = mask_keys(logging.Formatter().formatException(record.exc_info)), None
        return True


_DISCREET = _RedactingFilter()


def redact_logs() -> None:
    """Makes what is logged about our requests hold no key, no query and no header, whoever logs it."""
    for name in (LOG.name, *_OTHERS):
        logging.getLogger(name).addFilter(_DISCREET)


def log_unexpected(where: str, error: BaseException) -> None:
    """Logs an error that should not have happened: its kind and its places, not its words, which may be a prompt."""
    LOG.error("%s: %s\n%s", where, type(error).__name__, "\n".join(frames_of(error)))


def frames_of(error: BaseException) -> list[str]:
    """The lines of code that an error came through, innermost last. *reads files*."""
    return [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def without_frames(error: Exception) -> Exception:
    """The error without the frames and errors that it came through: their variables lead to requests and their headers."""
    if error.__traceback__ is not None and not type(error).__module__.startswith("seedance_nb"):
        error.add_note(f"It was raised at {frames_of(error)[-1]}.")
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
