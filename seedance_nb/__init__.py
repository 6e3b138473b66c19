"""Paid AI video from a notebook: a form from the provider's schema, every input checked, sent once, saved as a file."""

import concurrent.futures.thread  # noqa: F401 - while Python ends, it can no longer be imported
import sys
from importlib import import_module
from types import SimpleNamespace
from typing import Any

_HOME = {
    "_api": (
        "asset", "balance", "callback", "check", "compare", "estimate", "form", "gallery", "generate", "model", "models", "panel", "preflight", "simulate", "spending", "storyboard", "submit", "sweep", "takes", "task", "tasks", "upload",
    ),
    "_notebook.compare": ("Comparison", "as_completed"),
    "_notebook.clip": ("open",),
    "_notebook.storyboard": ("Storyboard",),
    "_task.display.video": ("Video", "export", "grid"),
    "_task.engine": ("nest_asyncio",),
    "_base.errors": (
        "InvalidInput", "KeyWarning", "LedgerError", "LimitWarning", "MediaError", "MediaWarning", "NoCredits", "OverBudget", "RateLimited", "Refused", "SeedanceError",
        "SpecError", "TaskFailed", "Unauthorized", "Unavailable", "UnknownOutcome", "Unreachable", "WaitTimeout",
    ),
    "_task.task": ("Task",),
    "_ledger.repair": ("repair_ledger",),
    "_session.session": ("Session",),
    "_provider.key_sources": ("ask_key",),
    "_document.load": ("spec",),
    "_document.spec": ("Spec",),
    "_base.problem": ("Problem",),
}  # fmt: skip
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__version__ = "0.1.0"
__all__ = [*sorted(_WHERE)]  # noqa: PLE0604 - their types are in __init__.pyi, which tests/typing/stub.py writes


def __getattr__(name: str) -> Any:
    """A public name, whose module is imported now: importing the package itself loads no widgets, video or ledger."""
    if name == "errors":
        return SimpleNamespace(**{one: __getattr__(one) for one in _HOME["_base.errors"]})
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    value.__module__ = __name__
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # Tab sorts capital letters first, so the classes would stand before the functions that a person types.
    return [*(name for name in __all__ if name[0].islower()), "errors"]


def load_ipython_extension(shell: Any) -> None:
    """Add the magic `%%seedance` to IPython: `%load_ext seedance_nb`."""
    shell.register_magic_function(import_module(f"{__name__}._magics").seedance, "line_cell")


def _complete(context: Any) -> Any:
    return import_module(f"{__name__}._notebook.completion").complete(context)  # with the first Tab


_complete.matcher_api_version = 2  # type: ignore[attr-defined]
if hasattr(sys.modules.get("IPython.core.completer"), "CompletionContext"):  # since IPython 8.6
    _completer = getattr(sys.modules["IPython"].get_ipython(), "Completer", None)
    getattr(_completer, "custom_matchers", []).append(_complete)
