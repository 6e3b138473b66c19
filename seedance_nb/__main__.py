"""The command line: `simulate` serves the simulator, `new-model` reads a page, `ledger repair` rebuilds a damaged ledger."""

import argparse
import re
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from seedance_nb._base.errors import SeedanceError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code. *network*: `simulate` listens on loopback; *reads files*, `new-model` writes one; *writes ledger*: `ledger repair`."""
    parser = argparse.ArgumentParser(prog="python -m seedance_nb", description="Command line tools of seedance_nb.")
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="serve the simulator on 127.0.0.1")
    for name, kind, usual, text in (
        ("--port", _port, 8765, "port on 127.0.0.1; 0 picks a free one"),
        ("--queue", _seconds, 0.8, "seconds a task waits in the queue"),
        ("--seconds", _seconds, 3, "minimum seconds a task runs"),
    ):
        simulate.add_argument(name, type=kind, default=usual, help=f"{text} (default: {usual})")
    document = "also serve the model in this YAML or JSON file; may be given more than once"
    simulate.add_argument("--document", type=Path, action="append", default=[], help=document)
    new = commands.add_parser("new-model", help="write a model's file from a provider's page, and say what is missing")
    new.add_argument("page", type=Path, help="the provider's OpenAPI document, a YAML or JSON file")
    new.add_argument("target", type=Path, help="the file to write")
    packaged = "a packaged provider (default: the one whose server the page names)"
    new.add_argument("--provider", default="", help=packaged)
    new.add_argument("--operation", help="which of several operations, by its operationId, or method and path")
    ledger = commands.add_parser("ledger", help="manage the ledger, the record of sent and paid tasks")
    rebuild = "rebuild a damaged ledger; the old files are saved as a backup"
    ledger.add_argument("what", choices=["repair"], help=rebuild)
    ledger.add_argument("path", nargs="?", type=Path, help="path of the ledger, if not the default one")
    chosen = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int | None]
    run = {"simulate": _simulate, "new-model": _new_model, "ledger": _repair}[chosen.command]
    try:
        return run(chosen) or 0
    except SeedanceError as error:
        print(error)
        return 1


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: use 1 to 65535, or 0 for any free one")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return float(text)


def _new_model(options: argparse.Namespace) -> None:
    from seedance_nb._document.new_model import new_model

    print("\n".join(new_model(options.page, options.target, options.provider, options.operation)))


def _repair(options: argparse.Namespace) -> None:
    from seedance_nb._ledger.repair import repair_ledger

    print(repair_ledger(options.path))


def _simulate(options: argparse.Namespace) -> int:
    from seedance_nb._document.load import model_names, spec
    from seedance_nb._simulator.app import Simulator
    from seedance_nb._simulator.server import serve
    from seedance_nb._simulator.store import Store, default_folder
    from seedance_nb._web.client import fetch_small

    specs = [spec(source) for source in (*model_names(), *options.document)]
    store = Store(default_folder())
    app = Simulator(specs, store, fetch_small, queue=options.queue, run=options.seconds).app
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", options.port))
        except OSError as error:
            print(f"Port {options.port} on 127.0.0.1 cannot be used: {error.strerror}. Choose another one with --port.")
            return 1
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        message = f"Simulating {', '.join(one.name for one in specs)} at {url} (any key of 8 or more characters works)"
        serve(app, listener, lambda: print(message, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
