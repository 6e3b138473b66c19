"""What a video costs beside its price: `python tests/benchmarks/bench_size.py [videos]`: writes and bytes in both kinds of ledger, looks, memory.

Each video is one claim and four changes of its row (sent, accepted, done, saved), as a task makes them. The looks are those of the
polling schedule for a task of 286 s of which thirty others are known.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.claims import claim
from support.postgres import PROGRAMS, postgres

from seedance_nb._ledger.ledger import Ledger
from seedance_nb._ledger.row import State
from seedance_nb._task.send import PollSchedule, next_poll

PROMPT = "A red fox runs through fresh snow at dawn, seen from low above the ground, slow camera, golden light. {}"
PEOPLE = (1, 100, 10_000)
VIDEOS_A_DAY = 10


def make(ledger: Ledger, videos: int) -> None:
    for number in range(videos):
        row, _ = claim(ledger, PROMPT.format(number))
        ledger.update(row.seq, state=State.SENDING)
        ledger.update(row.seq, state=State.QUEUED, task_id=f"task_{number:032x}", accepted=1.0)
        ledger.update(
            row.seq,
            state=State.DONE,
            finished=287.0,
            credits=12.0,
            outputs=(f"https://cdn.example.com/{number:064x}.mp4",),
        )
        ledger.update(row.seq, file=f"/home/ada/seedance_outputs/20261130-{number:06}.mp4", sha256=f"{number:064x}")


def looks(seconds: float) -> int:
    """How often the schedule looks at a task that takes so long."""
    schedule, elapsed, count = PollSchedule(history=(seconds,) * 30), 0.0, 0
    while elapsed < seconds:
        elapsed += next_poll(schedule, elapsed)
        count += 1
    return count


def main(videos: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        ledger = Ledger(path)
        make(ledger, videos)
        ledger.close()
        database = sum(
            file.stat().st_size for file in Path(folder).glob("ledger.sqlite3*") if "journal" not in file.name
        )
        journal = sum(file.stat().st_size for file in Path(folder).glob("*journal*"))
    print(f"file: {database / videos:,.0f} bytes a video in the database, {journal / videos:,.0f} in the journal")
    size = (database + journal) / videos
    if PROGRAMS.exists():
        import psycopg

        with postgres() as server:
            url = server.database("size")
            shared = Ledger(url)
            shared.count()
            with psycopg.connect(url, autocommit=True) as db:
                figures = "SELECT pg_database_size(current_database()), xact_commit FROM pg_stat_database WHERE datname = current_database()"

                def now() -> tuple[int, int]:
                    db.execute("SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()")
                    found = db.execute(figures).fetchone()
                    assert found
                    return int(found[0]), int(found[1])

                bytes_before, commits_before = now()
                make(shared, videos)
                shared.close()
                bytes_after, commits_after = now()
        size = (bytes_after - bytes_before) / videos
        print(
            f"server: {size:,.0f} bytes a video, {(commits_after - commits_before) / videos:.1f} transactions a video"
        )
    each = looks(286)
    print(
        f"{each} looks at a task of 286 s; this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB"
    )
    for people in PEOPLE:
        day = people * VIDEOS_A_DAY
        print(
            f"{people:,} people x {VIDEOS_A_DAY} videos a day: {day:,} paid requests, {day * each:,} looks ({day * each / 28_800:.1f} a second in "
            f"8 hours), {5 * day:,} writes ({5 * day / 28_800:.1f} a second), {day * size * 250 / 1e9:.2f} GB of ledger a year"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="?", type=int, default=500)
    main(parser.parse_args().videos)
