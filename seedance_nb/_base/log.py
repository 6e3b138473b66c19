"""Logging through `logging.getLogger("seedance_nb")`: at INFO task names, states and hosts, at DEBUG also the provider's words."""

import logging
import re
import traceback

from seedance_nb._base.secret import mask_keys
from seedance_nb._base.text import strip_queries

LOG = logging.getLogger("seedance_nb")
THREAD = "seedance_nb"  # prefix of our thread names; other libraries' records from these threads are about our requests
_HTTP_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks", "asyncio")  # fmt: skip
_HEADERS = re.compile(r"\[\(b['\"].*", re.DOTALL)


class _RedactingFilter(logging.Filter):
    """Removes keys, queries and headers from records about our requests; the user's own requests are logged as usual."""

    def filter(self, record: logging.LogRecord) -> bool:
        own = record.name == LOG.name
        if own or (record.threadName or "").startswith(THREAD):
            text = strip_queries(mask_keys(record.getMessage()))
            record.msg = text if own else re.sub(r"\?[^\s'\"]+", "?…", _HEADERS.sub("[headers]", text))
            record.args = ()
        if own and record.exc_info:
            record.exc_text, record.exc_info = mask_keys(logging.Formatter().formatException(record.exc_info)), None
        return True


_FILTER = _RedactingFilter()


def redact_logs() -> None:
    """Installs the filter that keeps keys, queries and headers out of every record about our requests."""
    for name in (LOG.name, *_HTTP_LOGGERS):
        logging.getLogger(name).addFilter(_FILTER)


def log_unexpected(where: str, error: BaseException) -> None:
    """Logs the type and the frames of an unexpected error, not its message, which may contain a prompt."""
    LOG.error("%s: %s\n%s", where, type(error).__name__, "\n".join(frames_of(error)))


def frames_of(error: BaseException) -> list[str]:
    """The frames of an error's traceback as text, innermost last. *pure*."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return [f"{code.co_filename}:{line} in {code.co_name}" for code, line in frames]


def without_frames(error: Exception) -> Exception:
    """The error without its traceback and causes, whose variables lead to requests and their headers."""
    if error.__traceback__ is not None and not type(error).__module__.startswith("seedance_nb"):
        error.add_note(f"It was raised at {frames_of(error)[-1]}.")
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
