"""The file of a backup: a clear head, then the encrypted archive.

The head has lines of text, so that a person sees what the file is, and opens it by hand:

    daypass-backup 1
    {"DaypassVersion": "0.2.0", "Created": "2026-12-01T03:00:00+00:00", "OpenedBy": ["passphrase"]}
    -----BEGIN AGE ENCRYPTED FILE-----        (the identity of this file under the passphrase, if it has one)
    ...
    -----END AGE ENCRYPTED FILE-----
                                              (an empty line; then the binary age file)

The number in the first line is the format. The digest of the head is in the archive, so that a change of it is noticed.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO

import msgspec

from daypass.storage.backup.archive import FORMAT
from daypass.storage.backup.backup_refusals import BackupDamagedError, BackupTooNewError

_FIRST = re.compile(rb"daypass-backup ([1-9][0-9]{0,8})\n")
_LONGEST_LINE, _MOST_LINES = 1024, 40


class _Members(msgspec.Struct, frozen=True, rename="pascal"):
    daypass_version: str
    created: datetime
    opened_by: list[str]


@dataclass(frozen=True, slots=True)
class FileHead:
    """The clear head. `wrapped` is the armored identity, or empty."""

    daypass_version: str
    created: datetime
    opened_by: tuple[str, ...]
    wrapped: str
    content: bytes

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the head."""
        return sha256(self.content).digest()


def make_head(*, version: str, created: datetime, opened_by: tuple[str, ...], wrapped: str) -> FileHead:
    """Return the head of a new backup."""
    members = {"DaypassVersion": version, "Created": created.isoformat(), "OpenedBy": list(opened_by)}
    lines = [f"daypass-backup {FORMAT}", json.dumps(members), *([wrapped] if wrapped else []), "", ""]
    return FileHead(version, created, opened_by, wrapped, "\n".join(lines).encode("ascii"))


def read_head(source: BinaryIO) -> FileHead:
    """Read the head. Raises BackupDamagedError or BackupTooNewError."""
    first = source.readline(_LONGEST_LINE)
    found = _FIRST.fullmatch(first)
    if found is None:
        raise BackupDamagedError("it does not begin as a backup of Daypass does")
    lines = [first]
    while (line := source.readline(_LONGEST_LINE)) != b"\n":
        if not line.endswith(b"\n") or len(lines) > _MOST_LINES:
            raise BackupDamagedError("its head is incomplete")
        lines.append(line)
    members = _parse_members(lines)
    if int(found[1]) != FORMAT:
        by = "a later version" if members is None else f"Daypass {members.daypass_version[:40]!r}"
        raise BackupTooNewError(
            f"{by} wrote it in format {int(found[1])}, and this version reads format {FORMAT}: install that version "
            "or a later one"
        )
    if members is None:
        raise BackupDamagedError("its head is unreadable")
    wrapped = b"".join(lines[2:]).decode("ascii", "replace").rstrip("\n")
    content = b"".join([*lines, line])
    return FileHead(members.daypass_version, members.created, tuple(members.opened_by), wrapped, content)


def _parse_members(lines: list[bytes]) -> _Members | None:
    try:
        return msgspec.json.decode(lines[1], type=_Members)
    except (msgspec.DecodeError, IndexError):
        return None
