"""The content of a backup: frames with the rows of a store's tables. Pure.

A frame is its length (4 bytes, big endian) and a zlib stream of a MessagePack value. The first frame is a head, the
last one an end; between them are rows, a table after the other. The rules:

- A reader refuses a format, tables or a version of the tables that it does not know: a part of a store is none.
- A frame has a bounded size before and after decompression.
- The end repeats the number of rows of each table. Without an end, the backup was cut.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from daypass.storage.backup.backup_refusals import BackupDamagedError

FORMAT = 1
LARGEST_FRAME = 64 * 1024 * 1024  # bytes after decompression: the largest record has a tenth
_LENGTH_BYTES = 4
_ROWS_BYTES = 1024 * 1024  # bodies of a frame, about

Row = Sequence[Any]


class ArchiveHead(msgspec.Struct, frozen=True, tag="head", kw_only=True):
    """The first frame.

    `file_digest` is the SHA-256 of the clear head of the file, which nothing else protects. `data_key` has the store's
    data keys, encoded by DataKeys. `rows` has the number of rows by table.
    """

    format: int
    daypass_version: str
    created: datetime
    schema_version: str
    revision: int
    file_digest: bytes
    data_key: bytes
    rows: Mapping[str, int]

    def __repr__(self) -> str:
        return "<secret>"


class ArchiveRows(msgspec.Struct, frozen=True, tag="rows"):
    """Some rows of one table, each with all its columns in their order."""

    table: str
    rows: list[list[Any]]

    def __repr__(self) -> str:
        return f"<{len(self.rows)} rows of {self.table}>"


class ArchiveEnd(msgspec.Struct, frozen=True, tag="end"):
    """The last frame."""

    rows: Mapping[str, int]


Frame = ArchiveHead | ArchiveRows | ArchiveEnd

_encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of a frame."""
    packed = zlib.compress(_encode(frame), 6)
    return len(packed).to_bytes(_LENGTH_BYTES, "big") + packed


def in_frames(table: str, rows: Iterator[Row]) -> Iterator[ArchiveRows]:
    """Yield the rows of a table in frames of about a megabyte."""
    some: list[list[Any]] = []
    size = 0
    for row in rows:
        some.append(list(row))
        size += sum(len(value) for value in row if isinstance(value, bytes | str))
        if size >= _ROWS_BYTES:
            yield ArchiveRows(table, some)
            some, size = [], 0
    if some:
        yield ArchiveRows(table, some)


class ArchiveReader:
    """Cuts a stream of bytes into frames, and gives each to `take`.

    `write` raises BackupDamagedError, `finish` too if the stream ended early.
    """

    def __init__(self, take: Callable[[Frame], None]) -> None:
        self._take = take
        self._buffer = bytearray()
        self._is_ended = False

    def write(self, data: bytes) -> int:
        """Take in the next bytes, of any number."""
        self._buffer += data
        while frame := self._next():
            self._is_ended = isinstance(frame, ArchiveEnd)
            self._take(frame)
        return len(data)

    def flush(self) -> None:
        """Do nothing: each complete frame was given on."""

    def finish(self) -> None:
        """Require that the stream ended with its last frame."""
        if not self._is_ended or self._buffer:
            raise BackupDamagedError("it ends too early")

    def _next(self) -> Frame | None:
        if len(self._buffer) < _LENGTH_BYTES:
            return None
        if self._is_ended:
            raise BackupDamagedError("it goes on after its end")
        length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
        if length > LARGEST_FRAME:
            raise BackupDamagedError("it has a frame that is too long")
        if len(self._buffer) < _LENGTH_BYTES + length:
            return None
        packed = bytes(self._buffer[_LENGTH_BYTES : _LENGTH_BYTES + length])
        del self._buffer[: _LENGTH_BYTES + length]
        return _unpack(packed)


def _unpack(packed: bytes) -> Frame:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed, LARGEST_FRAME)
        if not inflater.eof or inflater.unused_data:
            raise BackupDamagedError("it has an incomplete frame")
        return _decoder.decode(plain)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupDamagedError("it has an unreadable frame") from error
