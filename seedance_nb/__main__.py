"""The command line: `seedance`, or `python -m seedance_nb`."""

import argparse
import concurrent.futures
import json
import os
import re
import socket
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import seedance_nb as sd
from seedance_nb._api import _default
from seedance_nb._base.faults import typed
from seedance_nb._document.load import new_model
from seedance_nb._document.reader import packaged
from seedance_nb._ledger.row import EARLY_STATES, price_after
from seedance_nb._notebook.completion import add_options, request_of


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code. *network*: `simulate` listens on loopback; *spends credits*: `submit`; *writes files*, *writes ledger*."""
    table, words = packaged("_commands"), [*(sys.argv[1:] if arguments is None else arguments)]
    own: dict[str, Any] = {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="seedance", description=table["about"], epilog=table["help"], **own)
    parser.add_argument("--version", action="version", version=f"seedance {sd.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, settings in table["commands"].items():
        command = commands.add_parser(name, help=settings["help"], description=settings["help"], **own)
        add_options(command, {option: more for option, more in settings.items() if option != "help"})
    if not words:
        parser.print_help(sys.stderr)
        return 2
    chosen = parser.parse_args(words)
    run = {"models": _models, "check": _check, "submit": _submit, "watch": _watch, "tasks": _tasks, "resolve": _resolve,
           "simulate": _simulate, "new-model": _new_model, "ledger": _ledger}[chosen.command]  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print(in_a_terminal(str(message)), file=sys.stderr)
            return typed(run)(chosen) or 0
    except sd.SeedanceError as error:
        if "--json" in words:
            texts = {name: in_a_terminal(getattr(error, name)) for name in ("message", "next_step")}
            _print({"error": type(error).__name__, "charged": error.charged, **texts}, as_json=True)
        print(in_a_terminal(str(error)), file=sys.stderr)
        code = 3 if isinstance(error, sd.InvalidInput) else 5 if isinstance(error, sd.WaitTimeout) else 1
        return 4 if code == 1 and error.charged == "unknown" else code
    except KeyboardInterrupt as stop:
        print(in_a_terminal(str(stop)) or "Stopped.", file=sys.stderr)
        return 130


def in_a_terminal(text: str) -> str:
    """A text that speaks of cells and functions, in the words of the command line; what only Python can do is said to be so. *pure*."""
    table = packaged("_commands")
    for pattern, words in table["in_a_terminal"].items():
        text = re.sub(pattern, words, text)
    return f"{text}\n{table['only_in_python']}" if re.search(r"\bsd\.\w(?!.* in a notebook)", text) else text


def _print(value: Any, *, as_json: bool = False) -> None:
    words = value if isinstance(value, Path) else in_a_terminal(str(value))  # the path of a file stays as it is
    try:
        print(json.dumps(value, indent=2, ensure_ascii=False) if as_json else words, flush=True)
    except BrokenPipeError:  # whoever read this has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _members(value: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _models(options: Any) -> None:
    models, names = sd.models(), ("name", "title", "mode", "source", "key_env")
    _print([_members(spec, *names) for spec in models.values()] if options.json else models, as_json=options.json)


def _check(options: Any) -> int:
    spec, chosen, fields = request_of("check", "seedance check", [options.model, *options.words])
    problems, names = sd.check(spec, **fields), ("path", "message", "rule", "quote", "source", "warns")
    _print([_members(problem, *names) for problem in problems] if chosen.json else problems, as_json=chosen.json)
    return 0 if all(problem.warns for problem in problems) else 3


def _submit(options: Any) -> None:
    spec, chosen, fields = request_of("submit", "seedance submit", [options.model, *options.words])
    simulate = True if chosen.simulate else None
    session = _default(simulate=simulate)
    if chosen.budget is None and not session.is_simulated(spec):
        session.require_consent(spec, why="" if sys.stdin.isatty() else "the input is not a terminal")
        question = f"{session.estimate(spec, **fields)} at {session.host(spec)}. Send it? [y/N] "
        print(question, end="", flush=True, file=sys.stderr)
        if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
            raise sd.SeedanceError("You did not confirm, so nothing was sent.")
    task = sd.submit(spec, simulate=simulate, **_members(chosen, "take", "budget", "preflight"), **fields)
    if chosen.wait:
        chosen.name, chosen.document = task.name, spec
        _watch(chosen)
        return
    future = task.following()
    while not concurrent.futures.wait([future], timeout=0.1).done and task.row.state in EARLY_STATES:
        pass
    if future.done():
        future.result()  # raises what the provider answered
    _print(_facts(task.row) if chosen.json else task, as_json=chosen.json)


def _watch(options: Any) -> None:
    task = sd.task(options.name, document=options.document)
    print(task, file=sys.stderr)
    video = task.wait(options.timeout)
    _print(_facts(task.row) if options.json else video.path, as_json=options.json)


def _tasks(options: Any) -> None:
    tasks = sd.tasks(options.limit, find=options.find, day=options.day, everyone=options.everyone)
    _print([*map(_facts, tasks)] if options.json else tasks, as_json=options.json)


def _resolve(options: Any) -> None:
    task = sd.task(options.name, document=options.document)
    _print(task.resolve(options.id, taken=False if options.not_taken else None))


def _facts(row: Any) -> dict[str, Any]:
    names = ("state", "charged", "simulated", "take", "credits", "estimate", "unit", "file", "error")
    created = datetime.fromtimestamp(row.created, UTC).isoformat(timespec="seconds")
    about = {"model": row.spec, "prompt": _default().prompt_of(row.spec, row.body), "created": created}
    return {"task": row.name, **about, "cost": price_after(row), **_members(row, *names)}


def _new_model(options: argparse.Namespace) -> None:
    _print("\n".join(new_model(options.page, options.target, options.provider, options.operation)))


def _ledger(options: argparse.Namespace) -> None:
    from seedance_nb._ledger.move import move_ledger

    _print((move_ledger if options.what == "move" else sd.repair_ledger)(*options.places))


def _simulate(options: argparse.Namespace) -> None:
    from seedance_nb._simulator.app import Simulator
    from seedance_nb._simulator.server import serve
    from seedance_nb._simulator.store import Store, default_folder
    from seedance_nb._web.client import fetch_small

    specs = [sd.spec(source) for source in (*sd.models(), *options.document)]
    app = Simulator(specs, Store(default_folder()), fetch_small, queue=options.queue, run=options.seconds).app
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")  # else two could share a port
        try:
            listener.bind(("127.0.0.1", options.port))
        except (OSError, OverflowError) as error:
            text = f"Port {options.port} on 127.0.0.1 cannot be used: {getattr(error, 'strerror', 'it is not 0 to 65535')}."
            raise sd.SeedanceError(text, next_step="choose another one with --port", charged=None) from None
        message = f"Simulating {', '.join(one.name for one in specs)} at http://127.0.0.1:{listener.getsockname()[1]} (any key of 8 or more characters works)"
        serve(app, listener, lambda: print(message, flush=True))


if __name__ == "__main__":
    sys.exit(main())
