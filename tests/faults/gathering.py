"""Runs inside the kernel of the canary's notebook, and writes down everything that can be reached from errors and objects."""

import copy
import itertools
import os
import pickle
import traceback
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("CANARY_FOLDER", "."))
_NUMBER = itertools.count(1)
_MOST = 40_000
_CLOSED = (types.ModuleType, type, types.BuiltinFunctionType)


def write(kind: str, content: bytes | str) -> None:
    """One artefact, as a file of its own."""
    folder = FOLDER / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{next(_NUMBER):04d}").write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    )


def gather_error(error: BaseException) -> None:
    """What a person, a debugger or a crash reporter could get out of an error."""
    write("error-pickle", _attempt(lambda: pickle.dumps(error)))
    write("error-copy", _attempt(lambda: repr(vars(copy.deepcopy(error))) + repr(error)))
    write("error-locals", "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    write("error-graph", "\n".join(walk(error)))


def gather_object(name: str, value: Any) -> None:
    """What an object gives away."""
    for kind, act in (
        ("repr", lambda: repr(value)),
        ("str", lambda: f"{value} {value!s}"),
        ("vars", lambda: repr(vars(value))),
        ("pickle", lambda: pickle.dumps(value)),
        ("copy", lambda: repr(copy.copy(value))),
        ("graph", lambda: "\n".join(walk(value))),
        ("mimebundle", lambda: repr(value._repr_mimebundle_())),
        ("html", lambda: str(value._repr_html_())),
    ):
        write(f"object-{kind}", f"{name}: ".encode() + _attempt(act))


def _attempt(act: Any) -> bytes:
    try:
        made = act()
    except Exception as error:  # noqa: BLE001 - a refusal is what it gives away, too
        made = f"{type(error).__name__}: {error}"
    return made if isinstance(made, bytes) else str(made).encode("utf-8", "replace")


def walk(root: Any) -> Iterator[str]:
    """Every text and every kind of object that can be reached over attributes, items, frames and closures."""
    seen: dict[int, Any] = {}
    waiting = [root]
    while waiting and len(seen) < _MOST:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, _CLOSED) or value is None:
            continue
        seen[id(value)] = value
        if isinstance(value, str | bytes | bytearray):
            yield value if isinstance(value, str) else repr(bytes(value))[2:-1]
            continue
        yield f"{type(value).__module__}.{type(value).__qualname__}"
        waiting += [one for one in _next(value) if not _is_dull(one)]


def _is_dull(value: Any) -> bool:
    """What is large and made of documents, or is IPython itself, whose namespace has modules and the environment."""
    module = type(value).__module__
    return isinstance(value, int | float) or module.startswith(("IPython", "ipykernel", "zmq", "traitlets.config", "jsonschema")) or (
        type(value).__name__ == "Spec"
    )  # fmt: skip


def _next(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from list(value.keys())
        yield from list(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from list(value)
    elif isinstance(value, BaseException):
        yield from (value.args, value.__context__, value.__cause__, value.__traceback__, vars(value))
    elif isinstance(value, types.TracebackType):
        yield from (value.tb_frame, value.tb_next)
    elif isinstance(value, types.FrameType):
        # The cell's own frame has the whole namespace of the notebook, which is searched by other means.
        yield {} if value.f_code.co_name == "<module>" else dict(value.f_locals)
    elif isinstance(value, types.FunctionType):
        yield from [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
        yield value.__defaults__
    elif isinstance(value, types.MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, types.CoroutineType):
        yield value.cr_frame
    elif isinstance(value, types.GeneratorType):
        yield value.gi_frame
    else:
        yield getattr(value, "__dict__", None)
        for kind in type(value).__mro__:
            slots = kind.__dict__.get("__slots__", ())
            for slot in [slots] if isinstance(slots, str) else slots:
                name = (
                    f"_{kind.__name__.lstrip('_')}{slot}" if slot.startswith("__") and not slot.endswith("__") else slot
                )
                if slot != "__weakref__":
                    yield getattr(value, name, None)


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
