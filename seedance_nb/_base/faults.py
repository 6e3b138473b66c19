"""What public functions share: how they look in `help()`, what this computer lacks as our errors, and the log without secrets."""

import errno
import functools
import inspect
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from seedance_nb._base.errors import Charged, SeedanceError, Step
from seedance_nb._base.secret import as_secret, mask_keys
from seedance_nb._base.values import strip_queries

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=type)
FAULTS = (OSError, RuntimeError, MemoryError, ImportError, SystemError)
"""What Python raises where the computer lacks something, or the interpreter is shutting down."""
_PATH_FAULTS = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
ENDING = "Python is shutting down"
TOO_MANY = "Too many open files"
ADVICE = "close what is no longer needed on this computer, or restart the kernel, then {}"
_SHOWN = ("__init__", "__repr__", "_repr_html_", "_repr_mimebundle_", "_ipython_display_")
LOG = logging.getLogger("seedance_nb")
THREAD = "seedance_nb"  # prefix of our thread names; other libraries' records from these threads are about our requests
_HTTP_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks", "asyncio")  # fmt: skip
_HEADERS = re.compile(r"\[\(b['\"].*", re.DOTALL)


def local_error(error: Exception, *, charged: Charged | None = None, resume: str = "") -> SeedanceError:
    """One of FAULTS as an error of this package, with the place where it was raised. *reads files*."""
    if isinstance(error, SeedanceError):
        return error
    reason = mask_keys(str(error)) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)
    advice = ADVICE
    if lacks_files(error):
        reason = TOO_MANY
    elif isinstance(error, ModuleNotFoundError) and error.name:
        reason, advice = f"{error.name} is not installed", f"run %pip install {error.name}, then {{}}"
    elif isinstance(error, _PATH_FAULTS) and isinstance(error.filename, str):
        folder, advice = Path(error.filename).parent, "correct this path, then {}"
        if isinstance(error, FileNotFoundError) and not folder.is_dir():
            reason, advice = mask_keys(f"the folder {folder} does not exist"), "create it or choose another, then {}"
    elif "home directory" in reason:
        reason = "a path begins with ~ and the home folder is not known"
        advice = "set the whole path instead of ~, then {}"
    elif isinstance(error, RuntimeError) and "shut" in reason:
        reason, advice = ENDING, "call it before the main thread ends, not in an atexit handler"
    step = Step(advice, resume or "run it again")
    own = SeedanceError(f"This computer could not do it: {reason}.", next_step=step, charged=charged)
    for frame in frames_of(error)[-1:]:
        own.add_note(f"It was raised at {frame}.")
    return own


def lacks_files(error: Exception) -> bool:
    """Whether the process can open no further file, which libraries report in other words. *reads files*."""
    too_many = (errno.EMFILE, errno.ENFILE)
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as now:
        return now.errno in too_many
    return getattr(error, "errno", 0) in too_many


def typed(function: Callable[P, T]) -> Callable[P, T]:
    """`function`, which raises SeedanceError in place of FAULTS. The first argument's `_charged` says what is known of money."""
    has_key = "api_key" in inspect.signature(function).parameters

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        if has_key and "api_key" in kwargs:  # a traceback can show variables
            kwargs["api_key"] = as_secret(kwargs.pop("api_key"))
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            charged = getattr(args[0] if args else None, "_charged", None)
            del args, kwargs
            ours = (*FAULTS, NameError) if sys.is_finalizing() else FAULTS  # `open` is gone by then
            if not isinstance(error, ours) or isinstance(error, SeedanceError):
                raise
            own = local_error(error, charged=charged)
        raise own

    return call


def typed_class(kind: C) -> C:
    for name, member in [*vars(kind).items()]:
        if isinstance(member, property) and member.fget and not name.startswith("_"):
            setattr(kind, name, member.getter(typed(member.fget)))
        elif inspect.isfunction(member) and (not name.startswith("_") or name in _SHOWN):
            setattr(kind, name, typed(member))
    return kind


def created_by_package(cls: C) -> C:
    """The class, `typed`, as one of `seedance_nb` and without constructor parameters in `help()`, because only the package calls it."""
    own, shown = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD), cast("Any", cls)
    shown.__module__, shown.__signature__ = "seedance_nb", inspect.Signature()
    shown.__init__.__signature__ = inspect.Signature([own])
    return typed_class(cls)


def _redact(record: logging.LogRecord) -> bool:
    """Remove keys, queries and headers from a record about our requests; the user's own requests are logged as usual."""
    own = record.name == LOG.name
    if own or (record.threadName or "").startswith(THREAD):
        text = strip_queries(mask_keys(record.getMessage()))
        record.msg = text if own else re.sub(r"\?[^\s'\"]+", "?…", _HEADERS.sub("[headers]", text))
        record.args = ()
    if own and record.exc_info:
        record.exc_text, record.exc_info = mask_keys(logging.Formatter().formatException(record.exc_info)), None
    return True


for _name in (LOG.name, *_HTTP_LOGGERS):
    logging.getLogger(_name).addFilter(_redact)


def log_unexpected(where: str, error: BaseException) -> None:
    """Logs the type and the frames of an unexpected error, not its message, which may contain a prompt."""
    LOG.error("%s: %s\n%s", where, type(error).__name__, "\n".join(frames_of(error)))


def frames_of(error: BaseException) -> list[str]:
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    return [f"{code.co_filename}:{line} in {code.co_name}" for code, line in frames]


def without_frames(error: Exception) -> Exception:
    """The error without its traceback and causes, whose variables lead to requests and their headers."""
    if error.__traceback__ is not None and not type(error).__module__.startswith("seedance_nb"):
        error.add_note(f"It was raised at {frames_of(error)[-1]}.")
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error
