"""The hash chain: every single edit of a log is found, and an untouched one passes."""

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.audit.chain import ROOM, Chain, digest_of, find_member
from daypass.audit.chain_check import ChainReport, LogLine, check_chains
from daypass.audit.event import AuditRecord
from daypass.audit.lines import LARGEST_LINE, LARGEST_UNPROVEN_LINE
from daypass.audit.log_files import read_lines, rotated_files
from daypass.audit.sinks import open_sink
from daypass.audit.targets import LogFile
from daypass.authenticate.caller import root_caller
from daypass.errors import AccessDenied
from daypass.wire.http import HttpRequest

_CALLER = root_caller("123456789012", "AKIAIOSFODNN7EXAMPLE")


_ACTION = "GetCallerIdentity"


def _record(number: int) -> AuditRecord:
    at = datetime(2026, 11, 1, 12, number % 60, 0, tzinfo=UTC)
    request = HttpRequest("POST", b"/", b"", (), b"", "192.0.2.1", secure=False)
    return AuditRecord(at, f"request-{number}", request, "sts", _ACTION, "us-east-1", "", _CALLER, None, None)


def _log(seed: int, workers: int, lines: int) -> list[bytes]:
    """Return a log that several workers have written, without line ends."""
    choose = random.Random(seed)  # noqa: S311 - the order of lines
    chains = [Chain(choose.randbytes(8)) for _ in range(workers)]
    log: list[bytes] = []
    for number in range(lines):
        chain = choose.choice(chains)
        if not chain.has_begun:
            chain.begin_after(log[-1] if log else b"")
        batch = [b'{"number":%d,"part":%d}\n' % (number, part) for part in range(choose.randint(1, 3))]
        log += [line[:-1] for line in chain.link(batch)]
        chain.advance(len(batch))
    return log


def _check(log: list[bytes], expected: frozenset[str] = frozenset(), *, is_complete: bool = False) -> ChainReport:
    lines = [LogLine("log", number, text) for number, text in enumerate(log, 1)]
    return check_chains(lines, expected, is_complete=is_complete)


def _chain_of(line: bytes) -> str:
    member = find_member(line)
    assert member is not None
    return member[0]


def _later_in_chain(log: list[bytes], place: int) -> list[int]:
    """Return the places of the later lines of the same chain."""
    return [at for at, line in enumerate(log) if at > place and _chain_of(line) == _chain_of(log[place])]


_LOGS = st.builds(_log, st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 12))


@settings(max_examples=60, deadline=None)
@given(log=_LOGS, data=st.data())
def test_every_single_edit_is_found(log: list[bytes], data: st.DataObject) -> None:
    """A changed byte, and a removed, repeated, added, moved or cut line are found.

    The digests of the last lines are needed only if the end of a chain was edited.
    """
    report = _check(log)
    assert report.finding_count == 0
    assert report.lines == len(log)
    heads = frozenset(chain.digest for chain in report.chains)
    edited, place = list(log), data.draw(st.integers(0, len(log) - 1))
    kind = data.draw(st.sampled_from(["change", "remove", "repeat", "add", "swap", "cut", "truncate"]))
    if kind == "change":
        at = data.draw(st.integers(0, len(log[place]) - 1))
        byte = data.draw(st.integers(32, 126).filter(lambda each: each != log[place][at]))
        edited[place] = log[place][:at] + bytes([byte]) + log[place][at + 1 :]
    elif kind == "remove":
        del edited[place]
    elif kind == "repeat":
        edited.insert(data.draw(st.integers(place + 1, len(log))), log[place])
    elif kind == "add":
        edited.insert(place + 1, b'{"number":99}')
    elif kind == "swap":
        others = _later_in_chain(log, place)
        if not others:
            return
        edited[place], edited[others[0]] = edited[others[0]], edited[place]
    elif kind == "cut":
        edited[place] = log[place][: data.draw(st.integers(0, len(log[place]) - 1))]
    else:
        del edited[place:]
    assert _check(edited, heads, is_complete=True).finding_count > 0, kind
    if kind in {"repeat", "add", "swap"} or (kind != "truncate" and _later_in_chain(log, place)):
        assert _check(edited, is_complete=True).finding_count > 0, kind


def test_a_finding_names_the_changed_line() -> None:
    """The place is that of the changed line, and of the line that shows it."""
    log = _log(1, 1, 5)
    log[2] = log[2].replace(b'"number":', b'"number":1')
    report = _check(log)
    assert [(each.line, "log:3" in each.message) for each in report.findings] == [(4, True)]


def test_a_restart_continues_behind_the_last_line(tmp_path: Path) -> None:
    """The chain of each process follows the last line of the one before it, through rotation."""
    path = tmp_path / "audit.jsonl"
    for start in range(3):
        sink = open_sink(str(path))
        for number in range(4):
            sink(_record(start * 4 + number))
        sink.close()
    path.rename(tmp_path / "audit.jsonl.1")
    sink = open_sink(str(path))
    sink(_record(40))
    sink.close()
    packed = tmp_path / "audit.jsonl.1.gz"
    packed.write_bytes(gzip.compress((tmp_path / "audit.jsonl.1").read_bytes()))
    (tmp_path / "audit.jsonl.1").unlink()
    files = rotated_files(path)
    assert files == [packed, path]
    report = check_chains(read_lines(files))
    assert (report.lines, report.finding_count, len(report.chains)) == (13, 0, 4)
    assert [chain.follows for chain in report.chains] == ["", f"{packed}:4", f"{packed}:8", ""]
    text = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    for gone in (3, 7):  # the last line of a process
        packed.write_bytes(gzip.compress(b"".join([*text[:gone], *text[gone + 1 :]])))
        found = check_chains(read_lines(files)).findings
        assert [(each.file, each.line) for each in found] == [(str(packed), gone + 1)]


@pytest.mark.parametrize(
    "suffixes", [(".2.gz", ".1", ""), (".10", ".9", ".1", ""), ("-20261201", "-20261202.gz", "")], ids=str
)
def test_files_of_one_second_stand_in_the_order_of_their_names(tmp_path: Path, suffixes: tuple[str, ...]) -> None:
    """Rotation within a second does not turn the order around."""
    line = b'{"eventTime":"2026-12-01T00:00:00Z"}\n'
    files = [tmp_path / f"audit.jsonl{suffix}" for suffix in suffixes]
    for file in files:
        file.write_bytes(gzip.compress(line) if file.suffix == ".gz" else line)
    assert rotated_files(tmp_path / "audit.jsonl") == files


def test_a_file_that_is_reopened_keeps_its_chain(tmp_path: Path) -> None:
    """After SIGHUP, the new file continues the chain, which both files together prove."""
    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    sink = open_sink(str(path))
    sink.record_now(_record(1))
    path.rename(moved)
    sink.reopen()
    sink.record_now(_record(2))
    sink.close()
    assert check_chains(read_lines([moved, path])).finding_count == 0
    alone = check_chains(read_lines([path]))
    assert (alone.finding_count, alone.chains[0].first) == (0, 2)
    assert "continues at line 2" in alone.notes[0]
    assert check_chains(read_lines([path]), is_complete=True).finding_count == 1


def test_lines_of_an_older_server_come_first(tmp_path: Path) -> None:
    """They are counted, and the last of them is protected by the first chain."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b'{"eventName":"A"}\n{"eventName":"B"}\n')
    sink = open_sink(str(path))
    sink(_record(1))
    sink.close()
    report = check_chains(read_lines([path]))
    assert (report.unchained, report.finding_count) == (2, 0)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[2]]))
    assert check_chains(read_lines([path])).finding_count == 1


def test_a_cut_write_that_was_repeated_is_no_finding() -> None:
    """A full disk leaves a part of a line, and the whole line comes later."""
    log = _log(2, 1, 4)
    report = _check([*log[:2], log[2][:20], *log[2:]])
    assert (report.finding_count, len(report.notes)) == (0, 1)
    assert _check([*log, log[2][:20]]).finding_count == 1


def test_the_last_line_of_a_log_is_proven_by_its_digest_elsewhere() -> None:
    """Without it, a cut end is not provable; with it, the missing digest is named."""
    log = _log(3, 1, 5)
    head = digest_of(log[-1])
    assert _check(log, frozenset({head})).finding_count == 0
    assert _check(log[:-1]).finding_count == 0
    report = _check(log[:-1], frozenset({head}))
    assert head in report.findings[0].message


@pytest.mark.parametrize("end", [b"", b"\n", b'{"a":1}\n', b'{"a":1}\n{"b":', b"x" * 300_000 + b"\n"])
def test_the_last_whole_line_of_a_file_is_read(tmp_path: Path, end: bytes) -> None:
    """A part of a line does not count, and a file of other lines has none."""
    path = tmp_path / "audit.jsonl"
    path.write_bytes(end)
    log = LogFile(str(path))
    assert log.last_line() == (b'{"a":1}' if end.startswith(b"{") else b"")
    log.close()


def test_a_chained_line_keeps_the_limits(tmp_path: Path) -> None:
    """The member fits into the room that is left for it."""
    path = tmp_path / "audit.jsonl"
    sink = open_sink(str(path))
    huge = {f"Name{number}": "x" * 5_000 for number in range(40)}
    sink(msgspec.structs.replace(_record(1), parameters=huge))
    sink(msgspec.structs.replace(_record(2), parameters=huge, caller=None, fault=AccessDenied("x" * 9_000)))
    sink.close()
    proven, unproven = path.read_bytes().splitlines(keepends=True)
    assert len(proven) <= LARGEST_LINE
    assert len(unproven) <= LARGEST_UNPROVEN_LINE
    chain = Chain(b"12345678")
    chain._state = (10**17, "f" * 64)
    assert len(chain.link([b"{}\n"])[0]) - 3 <= ROOM
    assert json.loads(proven)["chain"]["sequence"] == 1
