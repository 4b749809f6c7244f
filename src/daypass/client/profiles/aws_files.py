"""Read and replace AWS's config and credentials files.

Owns the paths and the safe replacement: take a lock, read again, write a new file beside the old one with mode 0600,
rename it, and follow symbolic links. ini_edit.py edits the text; profiles.py interprets profiles.
"""

import configparser
import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from daypass.client.operating_system import keep_owner, replace_file, sync_folder
from daypass.client.problems import LockedError, MisconfiguredError

_PRIVATE = 0o600
_TRIES = 5
_MOST = 4_000_000
# The file beside the files of a program of `daypass exec`, which are removed when it ends.
TEMPORARY = ".daypass-temporary"
# Byte order marks, as read_text returns them: of UTF-8, and of UTF-16, which PowerShell's `>` writes.
_MARKS = ("\ufeff", "\udcff\udcfe", "\udcfe\udcff")
_FOREIGN = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as read_text returns it


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of the two files."""

    config: Path
    credentials: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Places":
        """Return the paths that all AWS tools use."""
        return cls(
            Path(environment.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser(),
            Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser(),
        )


@dataclass(frozen=True, slots=True)
class Edit:
    """The content of a file before and after an edit.

    Both may contain secrets.
    """

    path: Path
    before: str
    after: str

    def __repr__(self) -> str:
        return f"Edit({self.path})"


def is_temporary(path: Path) -> bool:
    """Return whether a file exists only while a command of Daypass runs."""
    return path.with_name(TEMPORARY).exists()


def read_text(path: Path) -> str:
    """Return a file's text, or an empty string if it does not exist.

    Invalid UTF-8 is preserved.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise MisconfiguredError(f"{path} cannot be read: {error.strerror}. Check its owner and mode.") from error
    if len(content) > _MOST:
        raise MisconfiguredError(f"{path} is larger than 4 MB, too large for an AWS configuration file.")
    return content.decode("utf-8", "surrogateescape")


def read_sections(path: Path, *, strict: bool = False) -> dict[str, dict[str, str]]:
    """Return the settings of all sections.

    Duplicate sections are merged, as some tools do. With `strict` a file that AWS's own tools cannot read raises
    MisconfiguredError, which names the line.
    """
    parser = _parsed(path, strict=strict)
    return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}


def find_fault(path: Path) -> str:
    """Return the first error that AWS's own tools report for a file.

    It is empty if they report no error.
    """
    try:
        _parsed(path, strict=True)
    except MisconfiguredError as problem:
        return str(problem)
    return ""


def _parsed(path: Path, *, strict: bool) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="\0", strict=strict)
    text = read_text(path)
    if text.startswith(_MARKS):
        raise MisconfiguredError(
            f"{path} begins with a byte order mark, which AWS tools cannot read. Save it as UTF-8 without it."
        )
    foreign = _FOREIGN.search(text) if strict else None
    if foreign:
        number = text.count("\n", 0, foreign.start()) + 1
        raise MisconfiguredError(
            f"{path} has bytes in line {number} that are not UTF-8, which AWS tools cannot read. Save the file as "
            "UTF-8."
        )
    try:
        parser.read_string(text)
    except configparser.DuplicateSectionError as error:
        raise MisconfiguredError(
            f"{path} has the section [{error.section}] twice, the second time in line {error.lineno}. "
            "Remove or rename one of them."
        ) from error
    except configparser.DuplicateOptionError as error:
        raise MisconfiguredError(
            f"{path} has {error.option} twice in [{error.section}], the second time in line {error.lineno}. "
            "Remove one of them."
        ) from error
    except configparser.MissingSectionHeaderError as error:
        raise MisconfiguredError(
            f"{path} cannot be parsed: line {error.lineno} is not a [section], and no section is above it. Add a line "
            "such as [default] or [profile NAME] above it, or correct it."
        ) from error
    except configparser.Error as error:
        line = getattr(error, "lineno", None) or next((each[0] for each in getattr(error, "errors", [])), "?")
        raise _unparsed(path, line) from error
    if strict:
        _verify_blocks(path, text, parser)
    return parser


def _verify_blocks(path: Path, text: str, parser: configparser.RawConfigParser) -> None:
    """Raise MisconfiguredError if an indented block has a line that is not a setting."""
    values = (value for name in parser.sections() for _, value in parser.items(name) if value and value[0] == "\n")
    for inner in (line.strip() for value in values for line in value.splitlines()):
        if inner and "=" not in inner:
            lines = (number for number, line in enumerate(text.splitlines(), 1) if line.strip() == inner)
            raise _unparsed(path, next(lines, "?"))


def _unparsed(path: Path, line: object) -> MisconfiguredError:
    return MisconfiguredError(
        f"{path} cannot be parsed: line {line} is not a [section] or a setting. Correct that line."
    )


def edit(path: Path, change: Callable[[str], str], *, dry_run: bool = False) -> Edit:
    """Replace a file's text with the result of `change`, atomically."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        # Replacing /dev/null by a file would break other programs.
        raise MisconfiguredError(
            f"{path} is not a regular file and was not changed. Unset AWS_CONFIG_FILE, or set it to a file."
        )
    if is_temporary(target):
        raise MisconfiguredError(
            f"{path} belongs to `daypass exec` or `daypass shell`, and is removed when its command ends. Leave the "
            "command, and try again."
        )
    if dry_run:
        before = read_text(target)
        return Edit(path, before, change(before))
    from daypass.client.file_lock import locked

    with locked(target.with_name(f".{target.name}.daypass-lock"), what="another process"), _explaining(path):
        for _ in range(_TRIES):
            seen = _fingerprint(target)
            before = read_text(target)
            after = change(before)
            if after == before or _replace(target, after, seen):
                return Edit(path, before, after)
    raise LockedError(f"Another program keeps changing {path}. Try again in a moment.")


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LockedError(
            f"{path} cannot be written: {error.strerror}. It was not changed. Check the owner of the directory."
        ) from error


def _fingerprint(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def _replace(target: Path, text: str, seen: tuple[int, ...] | None) -> bool:
    """Write the text beside the file and rename it. Returns False if the file changed meanwhile."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.daypass-new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            if seen is not None:
                keep_owner(file.fileno(), seen[3], seen[4])
            os.fsync(file.fileno())
        if _fingerprint(target) != seen:
            return False
        replace_file(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(target.parent)
    return True
