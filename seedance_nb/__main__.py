"""`python -m seedance_nb simulate` serves the simulator on loopback, so that curl and other programs can use it."""

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command line. *network*: listens on loopback until it is stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m seedance_nb", description="Tools of seedance_nb for the command line."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="serve the simulator on 127.0.0.1")
    simulate.add_argument("--port", type=int, default=8765, help="the port on 127.0.0.1 (8765)")
    simulate.add_argument("--queue", type=float, default=0.8, help="seconds that a task waits (0.8)")
    simulate.add_argument("--seconds", type=float, default=3.0, help="seconds that a task runs at least (3)")
    return _simulate(parser.parse_args(arguments))


def _simulate(options: argparse.Namespace) -> int:
    import uvicorn

    from seedance_nb._simulator import Pace, Simulator
    from seedance_nb._spec import names, spec
    from seedance_nb._store import Store, default_folder
    from seedance_nb._transport import fetch_small

    specs = [spec(name) for name in names()]
    store = Store(default_folder())
    app = Simulator(specs, store, fetch_small, Pace(queue=options.queue, run=options.seconds)).app
    print(
        f"Simulating {', '.join(one.name for one in specs)} at http://127.0.0.1:{options.port} (any key will do)",
        flush=True,
    )
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
