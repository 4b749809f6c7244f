"""The files of an audit log: the present one, and the rotated ones.

Owns their order and their lines. Files may be compressed with gzip. Reads in blocks, so memory does not grow with a
file.
"""

import gzip
import re
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path

from daypass.audit.chain_check import LogLine

_BLOCK = 1_048_576
_LONGEST = 262_144  # bytes; a line of the log is much shorter
_GZIP = b"\x1f\x8b"
_ROTATED = re.compile(r"\.([0-9]{1,5})(?:\.gz)?$")
_TIME = re.compile(rb'"eventTime":"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8})')


class LogFileError(Exception):
    """A file cannot be read. The message says why."""


def rotated_files(log: Path) -> list[Path]:
    """Return the log and its rotated files, in the order of their events.

    Raises LogFileError if there is no file.
    """
    found = [each for each in log.parent.glob(f"{log.name}*") if each.is_file()]
    return in_order(found or [log])


def in_order(files: Iterable[Path]) -> list[Path]:
    """Return files in the order of their first events.

    Files that begin in the same second stand in the order of logrotate's names: a higher number is older, and the log
    itself is the newest. One without events comes last.
    """
    found = list(files)
    log = min((file.name for file in found), key=len, default="")
    return sorted(found, key=lambda file: (_first_time(file) or b"~", _age(file.name), file.name == log, file.name))


def read_lines(files: Iterable[Path]) -> Iterator[LogLine]:
    """Yield the lines of files, without their ends. Raises LogFileError."""
    for file in files:
        for number, text in enumerate(_lines_of(file), start=1):
            yield LogLine(str(file), number, text)


def read_blocks(file: Path) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines, decompressed.

    Raises LogFileError.
    """
    rest = b""
    for block in _blocks_of(file):
        whole, end, part = block.rpartition(b"\n")
        if end:
            yield rest + whole + end
            rest = part
        else:
            rest += part
        if len(rest) > _LONGEST:  # not a line of the log
            yield rest[:_LONGEST] + b"\n"
            rest = b""
    if rest:
        yield rest


def _lines_of(file: Path) -> Iterator[bytes]:
    for block in read_blocks(file):
        yield from block.removesuffix(b"\n").split(b"\n")


def _blocks_of(file: Path) -> Iterator[bytes]:
    try:
        with _opened(file) as stream:
            while block := stream.read(_BLOCK):
                yield block
    except (OSError, EOFError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise LogFileError(f"{file} cannot be read: {reason}") from problem


def _opened(file: Path) -> gzip.GzipFile | BufferedReader:
    with file.open("rb") as raw:
        is_packed = raw.read(len(_GZIP)) == _GZIP
    return gzip.open(file, "rb") if is_packed else file.open("rb")


def _age(name: str) -> int:
    number = _ROTATED.search(name)
    return -int(number[1]) if number else 0


def _first_time(file: Path) -> bytes | None:
    for block in _blocks_of(file):
        found = _TIME.search(block)
        return None if found is None else found[1]
    return None
