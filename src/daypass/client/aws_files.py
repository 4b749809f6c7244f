"""The two files that AWS's tools share: where they are, what they say, and how they are rewritten.

Owns reading and replacing them: under a lock, read again, written beside and renamed, symbolic links followed, mode
0600. Which bytes change is ini_edit.py's; what profiles mean is profiles.py's.
"""

import configparser
import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daypass.client.problems import Locked, Misconfigured

_PRIVATE = 0o600
_TRIES = 5
_MOST = 4_000_000
# Byte order marks, as read_text returns them: of UTF-8, and of UTF-16, which PowerShell's `>` writes.
_MARKS = ("\ufeff", "\udcff\udcfe", "\udcfe\udcff")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files are."""

    config: Path
    credentials: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Places":
        """Return where every AWS tool looks."""
        return cls(
            Path(environment.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser(),
            Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser(),
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """What a file held and holds now, or would hold. Both may contain secrets."""

    path: Path
    before: str
    after: str

    def __repr__(self) -> str:
        return f"Edit({self.path})"


def read_text(path: Path) -> str:
    """Return a file's text, bytes that are no UTF-8 kept as they are; empty where there is no file."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}; is it yours?") from error
    if len(content) > _MOST:
        raise Misconfigured(f"{path} is larger than 4 MB; that is no AWS configuration file.")
    return content.decode("utf-8", "surrogateescape")


def read_sections(path: Path) -> dict[str, dict[str, str]]:
    """Return what every section says. Sections that stand there twice are joined, as some tools do."""
    parser = _parsed(path, strict=False)
    return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}


def find_fault(path: Path) -> str:
    """Return what AWS's own tools would not read in a file, though we may, as a sentence; or nothing."""
    try:
        _parsed(path, strict=True)
    except configparser.DuplicateSectionError as error:
        return f"{path} has the section [{error.section}] twice, the second time in line {error.lineno}."
    except configparser.DuplicateOptionError as error:
        return f"{path} has {error.option} twice in [{error.section}], the second time in line {error.lineno}."
    except Misconfigured as problem:
        return str(problem)
    return ""


def _parsed(path: Path, *, strict: bool) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="\0", strict=strict)
    text = read_text(path)
    if text.startswith(_MARKS):
        raise Misconfigured(
            f"{path} begins with a byte order mark, with which no AWS tool can read it; save it as plain UTF-8."
        )
    try:
        parser.read_string(text)
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError):
        raise
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or next((each[0] for each in getattr(error, "errors", [])), "?")
        raise Misconfigured(
            f"{path} cannot be read: line {line} is neither a [section] nor a setting; mend that line."
        ) from error
    return parser


def edit(path: Path, change: Callable[[str], str], *, dry_run: bool = False) -> Edit:
    """Replace a file's text by what `change` makes of it, at once or not at all."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        # To put a file in the place of /dev/null would be the end of more than a profile.
        raise Misconfigured(f"{path} is no file and is left alone; unset AWS_CONFIG_FILE, or name a file.")
    if dry_run:
        before = read_text(target)
        return Edit(path, before, change(before))
    from daypass.client.file_lock import locked

    with locked(target.with_name(f".{target.name}.daypass-lock"), what="another process"), _explaining(path):
        for _ in range(_TRIES):
            seen = _look(target)
            before = read_text(target)
            after = change(before)
            if after == before or _replace(target, after, seen):
                return Edit(path, before, after)
    raise Locked(f"{path} is being changed by another program all the time; try again in a moment.")


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Locked(
            f"{path} cannot be written: {error.strerror}; nothing was changed. Is the directory yours?"
        ) from error


def _look(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def _replace(target: Path, text: str, seen: tuple[int, ...] | None) -> bool:
    """Write the text beside the file and rename it into place, unless somebody else changed the file meanwhile."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.daypass-new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            if seen is not None and seen[3] != os.geteuid():
                os.fchown(file.fileno(), seen[3], seen[4])  # Under sudo the file stays its owner's.
            os.fsync(file.fileno())
        if _look(target) != seen:
            return False
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
