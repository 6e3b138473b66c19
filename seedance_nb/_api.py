"""The public functions: methods of a default session, and what is shown in a cell."""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from seedance_nb._base.errors import SeedanceError, argument_error, require_count
from seedance_nb._base.faults import typed
from seedance_nb._base.secret import Secret, as_secret
from seedance_nb._base.values import read_json
from seedance_nb._check.check import build_body
from seedance_nb._document.load import spec
from seedance_nb._document.reader import merged
from seedance_nb._ledger.row import Row
from seedance_nb._notebook.compare import Comparison, Sweep
from seedance_nb._notebook.storyboard import Storyboard
from seedance_nb._provider.account import Account
from seedance_nb._session.session import Document, Models, Session
from seedance_nb._task.engine import ENGINE
from seedance_nb._task.task import Task

P = ParamSpec("P")
T = TypeVar("T")
_LESSON: ContextVar[Session | None] = ContextVar("lesson", default=None)
_OPTIONS = {
    "api_key": "the key, instead of one from the environment or another source",
    "base_url": "where to send requests, instead of the provider's own URL",
    "simulate": "True for the simulator even if a key is set, False to raise an error without one",
}

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from seedance_nb._form.form import Form
    from seedance_nb._notebook.gallery import Gallery
    from seedance_nb._notebook.panel import Panel
    from seedance_nb._task.display.video import Video


@functools.lru_cache(maxsize=8)
def _session(api_key: Secret | None, base_url: str | None, simulate: bool | None, _places: tuple[str, str]) -> Session:
    return Session(api_key=api_key, base_url=base_url, simulate=simulate, for_one=True)


@typed
def _default(*, api_key: str | None = None, base_url: str | None = None, simulate: bool | None = None) -> Session:
    """The session of these functions: one for each key, base URL, ledger and folder. Reads the environment."""
    places = os.getenv("SEEDANCE_LEDGER", ""), os.getenv("SEEDANCE_OUTPUTS", "")
    return _LESSON.get() or _session(as_secret(api_key), base_url, simulate, places)


def _account(document: Document, api_key: str | None, base_url: str | None) -> Account:
    return _default(api_key=api_key, base_url=base_url).sender.account(spec(document))


def _verb(method: Callable[Concatenate[Session, P], T], *options: str) -> Callable[P, T]:
    """A method of the default session as a function with its parameters and docstring, and also these `options` of `_default`."""

    @functools.wraps(method)
    def verb(*args: P.args, **kwargs: P.kwargs) -> T:
        chosen: dict[str, Any] = {name: kwargs.pop(name) for name in options if name in kwargs}
        try:
            return method(_default(**chosen), *args, **kwargs)
        finally:
            del args, kwargs, chosen  # a traceback can show variables

    _, *own = inspect.signature(method).parameters.values()
    more = [inspect.signature(_default).parameters[name] for name in options]
    fields = [own.pop()] if own and own[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    lines = "".join(f"          {name}: {_OPTIONS[name]}.\n" for name in options)
    vars(verb)["__signature__"] = inspect.signature(method).replace(parameters=[*own, *more, *fields])
    verb.__qualname__ = method.__name__
    verb.__doc__ = re.sub("(?=          fields:|        Returns:)", lines, str(method.__doc__), count=1)
    return typed(verb)


check = _verb(Session.check)
submit = _verb(Session.submit, "api_key", "base_url", "simulate")
generate = _verb(Session.generate, "api_key", "base_url", "simulate")
preflight = _verb(Session.preflight, "base_url")
estimate = _verb(Session.estimate, "api_key", "base_url")
task = _verb(Session.task, "api_key", "base_url")
tasks = _verb(Session.tasks)
callback = _verb(Session.callback, "api_key")
spending = _verb(Session.spending)


@contextmanager
def simulate(*, speed: float = 1, faults: str = "", seed: int = 0) -> Iterator[Session]:
    """Within the block, functions of this thread or task use the simulator whatever keys are set. A lesson goes the same way each time.

    The parameters:
      speed: 10 for tasks that are done ten times as fast.
      faults: what requests get, in order and joined by "then": an error code such as 402, "lost answer", 504 (a lost request), "fail" or "ok".
      seed: a number for another look; the same request with the same seed is the same video, byte by byte (`video.sha256`).
    Returns: a context manager for the session of the block.

    >>> with sd.simulate(speed=10, faults="402 then ok"):
    ...     sd.generate("crun/seedance-1.0-pro-t2v", prompt="A fox", duration=4)
    Traceback (most recent call last):
    seedance_nb.NoCredits: The simulator, acting as crun, rejected the request (402): ...
    ...
    """
    words = [" ".join(word.split()) for word in re.split(r"\bthen\b", faults) if faults]
    for word in words:
        if not re.fullmatch(r"ok|fail|lost answer|[45][0-9]{2}", word):
            raise argument_error("faults", f"must be ok, fail, lost answer or a code such as 402, not {word!r}", faults)
    if not speed > 0:
        raise argument_error("speed", f"must be a number above 0, not {speed!r}", speed)
    session = Session(simulate=True, queue_s=0.8 / speed, run_s=3 / speed)
    session.sender.routing = replace(session.sender.routing, lesson=(iter(words), seed))
    token = _LESSON.set(session)
    try:
        yield session
    finally:
        _LESSON.reset(token)


@typed
def models() -> Models:
    """The models that come with the package, as a table. *reads files*.

    Returns: the table; its `names` are what every function takes.

    >>> sd.models().names[0]
    'crun/seedance-1.0-pro-t2v'
    """
    return Models(_default())


@typed
def model(document: Document, /) -> Callable[..., Video]:
    """A function that calls `sd.generate` for one model and completes its fields with Tab. *reads files*.

    The parameters:
      document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
    Returns: the function: its signature has the fields with their values and defaults, its docstring the provider's words.
    Raises: SpecError for a schema that cannot be used.

    >>> seedance = sd.model("crun/seedance-1.0-pro-t2v")
    >>> seedance(prompt="A fox", duration=4).facts.seconds
    4.0
    """
    from seedance_nb._notebook.completion import function_for

    chosen = spec(document)
    return function_for(chosen, lambda **fields: generate(chosen, **fields))  # type: ignore[no-any-return]


@typed
def form(document: Document, /) -> Form:
    """A form for a model's request, to fill in without sending anything. *reads files*.

    The parameters:
      document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
    Returns: the form; `form.values` is the request body, `form.problems` what is wrong with it.
    Raises: SpecError with file and JSON Pointer for a schema that cannot be used.

    >>> form = sd.form("crun/seedance-1.0-pro-t2v")
    >>> form.values = {"prompt": "A fox"}
    >>> form.values["input"]
    {'prompt': 'A fox'}
    """
    from seedance_nb._form.form import Form

    return Form(spec(document))


@typed
def panel(document: Document, /, *, budget: float | None = None, api_key: str | None = None, base_url: str | None = None,
          simulate: bool | None = None, **fields: Any) -> Panel:  # fmt: skip
    """Form, price, Generate, progress and the video in one cell. Nothing is paid before Generate is pressed.

    Without a key it uses the simulator and shows SIMULATED. With a key it shows where the key goes, and gets the
    price from the provider's free estimate call and checks the files while you fill in the form (*network*).

    The parameters:
      document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
      budget: the most that this provider's tasks in the ledger may cost in total, in its unit (credits, tokens).
      api_key, base_url, simulate: as in `sd.submit`.
      fields: the values that the form starts with, by the names that `sd.submit` takes, such as `prompt`.
    Returns: the panel; `panel.form` is the form, `panel.task` the latest task.
    Raises: SpecError; InvalidInput for a field that the model does not have, or a value that it does not allow.

    >>> sd.panel("crun/seedance-1.0-pro-t2v", prompt="A fox", duration=4).form.values["input"]
    {'prompt': 'A fox', 'duration': 4}
    """
    from seedance_nb._notebook.panel import Panel

    return Panel(spec(document), _default(api_key=api_key, base_url=base_url, simulate=simulate), budget, **fields)


@typed
def gallery(search: str = "", /, *, everyone: bool = False) -> Gallery:
    """The ledger's tasks as pictures: search, filter, play, keep or reject, use again. *reads files*; marks: *writes ledger*.

    "Continue from last frame" fetches or uploads that frame (*network*, free). Nothing is paid before Generate is pressed in a panel.

    The parameters:
      search: words of the prompt, in any order and case.
      everyone: as in `sd.tasks`; each task then shows who sent it.
    Returns: the gallery; a table where there are no widgets.

    >>> video = sd.Session(queue_s=0, run_s=0).generate("crun/seedance-1.0-pro-t2v", prompt="A red fox")
    >>> sd.gallery("fox")
    Tasks 1 to 1 of 1
    """
    from seedance_nb._notebook.gallery import Gallery

    return Gallery(_default(), search, everyone=everyone)


@typed
def compare(prompt: str, names: Document | Sequence[Document] = (), /, *, simulate: bool | None = None, take: int = 1,
            budget: float | None = None, **shared: Any) -> Comparison:  # fmt: skip
    """One prompt for several models, with their videos side by side. Nothing is sent before you confirm. *reads files*.

    In a cell it is a table with the prices (*network*: the free estimate calls) and one button, which asks again if the
    requests cost anything. In code, `.generate(confirm=True)` sends them.

    The parameters:
      prompt: the prompt for every model.
      names: a model or a list of models, as other functions take them; one that is listed twice generates two takes.
      simulate: True for the simulator even if a key is set; a model without a key always uses it.
      take: 2 for a second video of each request, and so on.
      budget: the most that the tasks of each provider in the ledger may cost in total, in its unit.
      shared: settings that are translated for each model: `seconds` (number), `ratio` ("16:9", or "auto" to let the
        model choose), `resolution` ("720p"), `audio` (True or False), `seed`, `first_frame` and `last_frame` (URL of an image),
        `reference_images`, `reference_videos` and `reference_audios` (lists of URLs). The table shows what a model does
        not support or allow; nothing is clamped or rounded.
    Returns: the comparison.
    Raises: InvalidInput for an unknown setting; SpecError.

    >>> sd.compare("A fox", ["crun/seedance-1.0-pro-t2v", "crun/seedance-2.0-i2v"], seconds=4).total.simulated
    2
    """
    if names == ():
        raise argument_error("names", 'the prompt comes first, then the models: sd.compare("A fox", [...])', names)
    if "prompt" in shared:
        raise argument_error("prompt", "was passed twice, as the first argument and by name", shared["prompt"])
    return Comparison(_default(simulate=simulate), names, {"prompt": prompt, **shared}, take=take, budget=budget)


@typed
def storyboard(shots: Sequence[Mapping[str, Any]], /, model: Document | None = None, *, simulate: bool | None = None,
               budget: float | None = None, **shared: Any) -> Storyboard:  # fmt: skip
    """Shots of one film, each of which continues from the last frame of the one before. Nothing is sent yet. *reads files*.

    That frame is the provider's own where it returns one, else it is extracted and uploaded. Run the same storyboard again,
    also after a crash or an edit: what is there costs nothing, and only what changed is generated, with what continues it.

    The parameters:
      shots: a dict for each, with settings of `sd.compare` and `prompt`; its `model`; `take`, 2 for another try; `chain`, False
        for a shot that does not continue the one before; and fields of the model, such as `return_last_frame`.
      model: the model of the shots that have none of their own.
      simulate, budget: as in `sd.compare`.
      shared: settings of the shots that have none of their own; `first_frame` is the first shot's.
    Returns: the storyboard: `plan`, `generate`, `replace`, `film` and `rehearse`.
    Raises: InvalidInput for a shot without a model; SpecError. Problems of shots are in the table, and raised by `generate`.

    >>> shots = [{"prompt": "A fox wakes"}, {"prompt": "It runs", "chain": False}]
    >>> sd.storyboard(shots, model="crun/seedance-1.0-pro-t2v", seconds=4).total.simulated
    2
    """
    if not isinstance(shots, Sequence) or not shots or not all(isinstance(shot, Mapping) for shot in shots):
        raise argument_error("shots", "must be a list of dicts, one for each shot", shots)
    later = {name: value for name, value in shared.items() if name != "first_frame"}  # they continue from another frame
    each = [{"model": model, **(later if at else shared), **shot} for at, shot in enumerate(shots)]
    return Storyboard(_default(simulate=simulate), each, budget)


@typed
def sweep(document: Document | Sequence[Document], table: Any, /, *, budget: float | None = None, concurrency: int | None = None,
          executor: Executor | None = None, simulate: bool | None = None, **shared: Any) -> Sweep:  # fmt: skip
    """Many requests at once: every combination of values, or every row of a table. All are checked, nothing is sent. *reads files*.

    A cell shows them as a table with one price and one button; in a script, `sweep.run()` or `sd.as_completed(sweep)` sends
    them. The same call again, also in a new kernel, sends only what was never sent.

    The parameters:
      document: a model, or a list of models, as other functions take them.
      table: a dict of lists, such as `{"prompt": ["A fox", "A hen"], "duration": [4, 8]}`, for every combination; or rows: a
        list of dicts, a pandas DataFrame, or the path of a CSV file, whose empty cells are left out. Names are the model's
        fields, and `take`: equal rows are one task, unless their takes differ. A row's `model` is one of several models.
      budget: as in `sd.submit`.
      concurrency: the most tasks that are unfinished at the same time; None for no limit.
      executor: where to send and follow them, such as a `ProcessPoolExecutor` or Dask's `client.get_executor()`. Workers use
        the keys and the ledger of their own environment; the request goes there as text, and nothing is returned.
      simulate: True for the simulator even if a key is set.
      shared: fields that are the same in all requests.
    Returns: the sweep, with `run`, `failed`, `grid("prompt", "duration")`, `to_pandas` and `rehearse`.
    Raises: InvalidInput for a table that cannot be read; SpecError. `run` raises the problems of the rows.

    >>> sd.sweep("crun/seedance-1.0-pro-t2v", {"prompt": ["A fox", "A hen"], "duration": [4, 8]}).total.simulated
    4
    """
    options: Any = {"budget": budget, "concurrency": concurrency, "executor": executor}
    return Sweep(_default(simulate=simulate), document, table, shared, **options)


@typed
def takes(source: Task | Row | Document, n: int, /, *, budget: float | None = None, concurrency: int | None = None,
          simulate: bool | None = None, **fields: Any) -> Sweep:  # fmt: skip
    """The same request `n` times, to choose from. Nothing is sent yet, and takes that exist are not sent again. *reads files*.

    The parameters:
      source: a task or its row, whose other fields stay, or a model for a request with `fields`.
      n: the number of takes, with those that exist already.
      budget, concurrency, simulate: as in `sd.sweep`.
      fields: the model's fields.
    Returns: a sweep.
    Raises: InvalidInput; SpecError.

    >>> task = sd.submit("crun/seedance-1.0-pro-t2v", prompt="A fox", resolution="480p", duration=4)
    >>> len(sd.takes(task, 3).run())
    3
    """
    require_count("n", n)
    source = task(source) if isinstance(source, Row) else source
    if isinstance(source, Task):
        if (row := source.row).is_forgotten:
            text = f"{row.name} was forgotten, so its request cannot be sent again. Nothing was sent."
            raise SeedanceError(text, charged=None)
        source = source._spec  # noqa: SLF001 - also one of a file, which this session may not know
        fields = merged(read_json(row.body), build_body(source, fields))
    return sweep(source, {"take": range(1, n + 1)}, budget=budget, concurrency=concurrency, simulate=simulate, **fields)


@typed
def balance(document: Document, /, *, api_key: str | None = None, base_url: str | None = None) -> float:
    """The balance of your account. *network*; no credits are spent.

    The parameters:
      document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
      api_key, base_url: as in `sd.submit`.
    Returns: the balance in the provider's unit (credits, tokens).
    Raises: SeedanceError if the provider does not offer this call or does not answer; Refused and its subclasses.

    >>> sd.balance("crun/seedance-1.0-pro-t2v")  # the simulator has no account
    Traceback (most recent call last):
    seedance_nb.SeedanceError: There is no key for crun, so there is no account balance.
    ...
    """
    return ENGINE.run(_account(document, api_key, base_url).balance())


@typed
def upload(document: Document, file: str | Path | bytes, /, *, name: str = "", api_key: str | None = None,
           base_url: str | None = None) -> str:  # fmt: skip
    """Upload a local file to the provider. *reads files*, *network*; no credits are spent.

    The parameters:
      document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
      file: a path, or the bytes of the file.
      name: the file name with its extension, required for bytes.
      api_key, base_url: as in `sd.submit`.
    Returns: the public URL of the file.
    Raises: SeedanceError if the provider accepts no files, or this one cannot be read or sent; Refused and its subclasses.

    >>> sd.upload("crun/seedance-2.0-i2v", b"...", name="fox.png")
    'http...png'
    """
    return ENGINE.run(_account(document, api_key, base_url).upload(file, name))


@typed
def asset(document: Document, address: str, /, *, kind: Literal["image", "video", "audio"] = "image", name: str = "",
          api_key: str | None = None, base_url: str | None = None) -> str:  # fmt: skip
    """Register a public URL as an asset and wait until it is ready. *network*; no credits are spent.

    The parameters:
      document: a name from `sd.models()`, a schema file, a dict or a `Spec`.
      address: the public URL.
      kind: the kind of file: "image", "video" or "audio".
      name: a name for the asset.
      api_key, base_url: as in `sd.submit`.
    Returns: the `asset://` URL.
    Raises: SeedanceError if the provider does not support assets, rejects this one or takes longer than 300 s; Refused and its subclasses.

    >>> sd.asset("crun/seedance-2.0-i2v", "https://example.com/fox.png")
    'asset://simulated-...'
    """
    return ENGINE.run(_account(document, api_key, base_url).asset(address, kind, name))
