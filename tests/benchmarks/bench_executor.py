"""What spreading brings: `python tests/benchmarks/bench_executor.py [clips]`: contact sheets and preflight, here, in processes, and on Dask.

All in one run. Preflight reads the first bytes of each file from a server on loopback that answers after 50 ms, as a near one does.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import seedance_nb as sd

MODEL, WORKERS = "crun/seedance-1.0-pro-t2v", os.cpu_count() or 2


@contextmanager
def executors() -> Iterator[dict[str, Executor | None]]:
    with ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        found: dict[str, Executor | None] = {
            "here": None,
            "processes": stack.enter_context(ProcessPoolExecutor(WORKERS, spawn)),
        }
        try:
            dask: Any = import_module("distributed")
        except ImportError:
            print("Dask is not installed")
        else:
            cluster = stack.enter_context(
                dask.LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None)
            )
            found["Dask"] = stack.enter_context(dask.Client(cluster)).get_executor()
        yield found


def timed(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main(clips: int) -> None:
    with tempfile.TemporaryDirectory() as folder, executors() as found:
        os.environ["SEEDANCE_SIMULATOR"] = f"{folder}/simulator"
        session = sd.Session(simulate=True, ledger=f"{folder}/ledger.sqlite3", outputs=folder, queue_s=0, run_s=0)
        video = session.generate(MODEL, prompt="A fox", resolution="720p", duration=8)
        images = [[f"https://127.0.0.1:9/{number}.png"] for number in range(clips)]

        def sheets(executor: Executor | None) -> None:
            if executor is None:
                for width in range(clips):
                    video.contact_sheet(9, width=400 + width)
            else:
                for future in [video.contact_sheet(9, width=400 + width, executor=executor) for width in range(clips)]:
                    future.result()

        def preflight(executor: Executor | None) -> None:
            table = {"prompt": ["A fox"], "reference_images": images}
            sd.sweep("crun/seedance-2.0-fast-r2v", table, executor=executor, simulate=True).preflight()

        for name, work in (("contact sheets", sheets), ("preflight", preflight)):
            base = 0.0
            for kind, executor in found.items():
                work(executor) if clips < 3 else None
                took = timed(lambda: work(executor))  # noqa: B023 - called at once
                base = base or took
                print(f"{name} of {clips} clips, {kind:9}: {took:6.2f} s, {base / took:.1f} times as fast as here")
        print(f"{WORKERS} cores, load {os.getloadavg()[0]:.1f}, {threading.active_count()} threads")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="?", type=int, default=40)
    main(parser.parse_args().clips)
