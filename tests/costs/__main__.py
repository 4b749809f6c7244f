"""Print what each operation costs in this process: `python -m tests.costs [NAME ...] [--time N] [--functions]`."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from tests.costs.count import Counts
from tests.costs.loop import LoopServer, loop_server
from tests.costs.recorded import record
from tests.costs.subjects import Subject, count_subject, make_subjects

_BATCH = 200


async def _main(names: list[str], rounds: int, *, with_functions: bool, is_recorded: bool) -> None:
    everything: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory() as scratch:
        async with loop_server(Path(scratch)) as server:
            for subject in [each async for each in make_subjects(server)]:
                if not names or subject.name in names:
                    counts = await count_subject(server, subject)
                    await _print(server, subject, counts, rounds, with_functions=with_functions)
                    everything[subject.name] = counts
    if is_recorded:
        record(everything)


async def _print(server: LoopServer, subject: Subject, counts: Counts, rounds: int, *, with_functions: bool) -> None:
    line = f"{subject.name:32} {counts.bytecodes:7} bytecodes {counts.calls:5} calls {counts.c_calls:5} C calls"
    if not counts.is_at_once:
        line += "   in a worker thread"
    elif rounds:
        times = sorted([await _thread_time(server, subject) for _ in range(rounds)])
        line += f"   {times[0]:7.1f} us least {times[rounds // 2]:7.1f} us median"
    _say(line)
    if with_functions:
        for name, (bytecodes, calls) in sorted(counts.functions.items(), key=lambda item: -item[1][0])[:80]:
            _say(f"    {bytecodes:6} {calls:4} {name}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _thread_time(server: LoopServer, subject: Subject) -> float:
    """Return the CPU time of one request in us. A request that waits for a worker thread is left out."""
    requests, spent, answered = [subject.next_request() for _ in range(_BATCH)], 0.0, 0
    for request in requests:
        began = time.thread_time()
        server.feed(request)
        if server.wire.written:
            spent += time.thread_time() - began
            answered += 1
            server.take()
        else:
            await server.wait()
    return spent / answered * 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--time", type=int, default=0, help="rounds for the CPU time of a request")
    parser.add_argument("--functions", action="store_true", help="bytecodes and calls by function")
    parser.add_argument("--record", action="store_true", help="keep the counts as the figures of this Python version")
    wanted = parser.parse_args()
    if wanted.names and wanted.record:
        parser.error("--record keeps the counts of all operations")
    uvloop.install()
    asyncio.run(_main(wanted.names, wanted.time, with_functions=wanted.functions, is_recorded=wanted.record))
    sys.exit(0)
