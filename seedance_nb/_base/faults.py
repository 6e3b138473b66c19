"""What public functions and classes share: how they look in `help()`, and what this computer lacks reported as our errors."""

import errno
import functools
import inspect
import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from seedance_nb._base.errors import Charged, SeedanceError, Step
from seedance_nb._base.log import frames_of
from seedance_nb._base.secret import mask_keys

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=type)
FAULTS = (OSError, RuntimeError, MemoryError, ImportError, SystemError)
"""What Python raises where the computer lacks something, or the interpreter is shutting down."""
ENDING = "Python is shutting down"
TOO_MANY = "Too many open files"
ADVICE = "close what is no longer needed on this computer, or restart the kernel, then {}"
_SHOWN = ("__init__", "__repr__", "_repr_html_", "_repr_mimebundle_", "_ipython_display_")


def local_error(error: Exception, *, charged: Charged | None = None, resume: str = "") -> SeedanceError:
    """One of FAULTS as an error of this package, with the place where it was raised. *reads files*."""
    if isinstance(error, SeedanceError):
        return error
    reason = mask_keys(str(error)) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)
    advice = ADVICE
    if lacks_files(error):
        reason = TOO_MANY
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

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            charged = getattr(args[0] if args else None, "_charged", None)
            del args, kwargs  # a traceback can show variables
            if not isinstance(error, FAULTS) or isinstance(error, SeedanceError):
                raise
            own = local_error(error, charged=charged)
        raise own

    return call


def typed_class(kind: C) -> C:
    """`kind`, with its public methods and properties `typed`."""
    for name, member in [*vars(kind).items()]:
        if isinstance(member, property) and member.fget and not name.startswith("_"):
            setattr(kind, name, member.getter(typed(member.fget)))
        elif inspect.isfunction(member) and (not name.startswith("_") or name in _SHOWN):
            setattr(kind, name, typed(member))
    return kind


def created_by_package(cls: Any) -> Any:
    """The class, as one of `seedance_nb` and without constructor parameters in `help()`, because only the package calls it."""
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    cls.__module__ = "seedance_nb"
    cls.__signature__ = inspect.Signature()
    cls.__init__.__signature__ = inspect.Signature([own])
    return cls
