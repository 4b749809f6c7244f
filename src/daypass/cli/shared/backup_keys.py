"""The keys of backups, from the environment and from options.

Owns DAYPASS_BACKUP_PASSPHRASE and DAYPASS_BACKUP_PASSPHRASE_FILE, and the rule for the permissions of such files.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.key_files import KeyFileError, read_key_file

_TEXT, _FILE = "DAYPASS_BACKUP_PASSPHRASE", "DAYPASS_BACKUP_PASSPHRASE_FILE"
_MOST_BYTES = 4096


def read_passphrase(environment: Mapping[str, str]) -> str:
    """Return the passphrase, or an empty string without one."""
    text, file = environment.get(_TEXT, ""), environment.get(_FILE, "")
    if text and file:
        raise CommandError(f"{_TEXT} and {_FILE} are both set. Set one of them.", Exit.CONFIGURATION)
    return read_secret_text(Path(file), _FILE) if file else text


def read_secret_text(path: Path, source: str) -> str:
    """Return the text of a key file, without white space around it."""
    try:
        return read_key_file(path, most_bytes=_MOST_BYTES).decode().strip()
    except KeyFileError as error:
        raise CommandError(f"{source}: {error}.", Exit.CONFIGURATION) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{source}: {path} is not a text file.", Exit.CONFIGURATION) from error


@contextmanager
def explaining_backups(name: str) -> Iterator[None]:
    """Translate errors of a backup into a message and exit code 6.

    `name` is the name of the backup in messages.
    """
    from daypass.storage.backup.backup_refusals import BackupDamagedError, BackupError, BackupTooNewError

    try:
        yield
    except BackupDamagedError as error:
        raise CommandError(
            f"{name} is not a complete backup: {error}. Nothing was restored. Use another backup.", Exit.CONFIGURATION
        ) from error
    except BackupTooNewError as error:
        raise CommandError(f"{name} is too new: {error}. Nothing was restored.", Exit.CONFIGURATION) from error
    except BackupError as error:
        raise CommandError(f"{error}.", Exit.CONFIGURATION) from error
