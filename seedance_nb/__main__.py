"""`python -m seedance_nb simulate` serves the simulator on loopback; `ledger repair` rebuilds a damaged ledger."""

import argparse
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command line. *network*: listens on loopback until it is stopped; *writes ledger*: repairs it."""
    parser = argparse.ArgumentParser(
        prog="python -m seedance_nb", description="Tools of seedance_nb for the command line."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="serve the simulator on 127.0.0.1")
    simulate.add_argument("--port", type=_port, default=8765, help="the port on 127.0.0.1 (8765)")
    simulate.add_argument("--queue", type=_seconds, default=0.8, help="seconds that a task waits (0.8)")
    simulate.add_argument("--seconds", type=_seconds, default=3.0, help="seconds that a task runs at least (3)")
    ledger = commands.add_parser("ledger", help="the memory of what was sent and paid")
    ledger.add_argument("what", choices=["repair"], help="rebuild a damaged ledger; the old files are kept")
    ledger.add_argument("path", nargs="?", type=Path, help="where it lies, if not in its usual place")
    chosen = parser.parse_args(arguments)
    return _simulate(chosen) if chosen.command == "simulate" else _repair(chosen.path)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) < 2**16:
        msg = f"{text} is no port; take one from 1 to 65535, or 0 for any free one"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]*)?", text):
        msg = f"{text} is no number of seconds"
        raise argparse.ArgumentTypeError(msg)
    return float(text)


def _repair(path: Path | None) -> int:
    from seedance_nb._base.errors import LedgerError
    from seedance_nb._ledger.repair import repair_ledger

    try:
        print(repair_ledger(path))
    except LedgerError as error:
        print(error)
        return 1
    return 0


def _simulate(options: argparse.Namespace) -> int:
    import uvicorn

    from seedance_nb._document.load import model_names, spec
    from seedance_nb._simulator.app import Simulator, Timing
    from seedance_nb._simulator.store import Store, default_folder
    from seedance_nb._web.transfer import fetch_small

    specs = [spec(name) for name in model_names()]
    store = Store(default_folder())
    app = Simulator(specs, store, fetch_small, Timing(queue=options.queue, run=options.seconds)).app
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", options.port))
        except OSError as error:
            print(f"Port {options.port} on 127.0.0.1 cannot be used: {error.strerror}. Name another one with --port.")
            return 1
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        print(f"Simulating {', '.join(one.name for one in specs)} at {address} (any key will do)", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
