"""`daypass backup`: write the store into one encrypted file.

Owns the options and the report. Leaves the content to storage/backup.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from daypass.cli.shared.apply_context import audited
from daypass.cli.shared.backup_keys import explaining_backups, read_passphrase
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import operator_event
from daypass.cli.shared.progress import shown_progress
from daypass.cli.shared.store_options import opened, operator_options, print_json, read_config
from daypass.counted import counted

if TYPE_CHECKING:
    from daypass.storage.backup.write_backup import BackupSummary

NOT_INCLUDED = ("the audit log", "settings files", "the master key", "TLS keys and certificates")
_IN_MEMORY = 4 * 1024 * 1024


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--recipient",
    "recipients",
    metavar="AGE_KEY",
    multiple=True,
    help="Encrypt for this public key of age (age1...). Repeatable; each of them opens the backup.",
)
@operator_options
def command(
    *, file: str, recipients: tuple[str, ...], store: str | None, config_file: Path | None, output: str
) -> None:
    """Write a backup of the store to FILE, or to standard output for "-".

    The server goes on running. The backup is encrypted under the passphrase in DAYPASS_BACKUP_PASSPHRASE or in the file
    that DAYPASS_BACKUP_PASSPHRASE_FILE names, for the recipients, or for both. Whoever can open it has every secret of
    the store. `daypass restore` does not need the master key.
    """
    from daypass.storage.backup.age_files import BackupKeys
    from daypass.storage.backup.write_backup import BackupSource, write_backup

    config = read_config({"store": store}, config_file)
    with (
        explaining_backups(file),
        shown_progress("Backing up", "rows") as advance,
        audited(config) as sink,
        opened(store, config_file) as there,
    ):
        keys = BackupKeys(read_passphrase(os.environ), recipients)
        source = BackupSource(there.store, there.vault, own_version(), there.clock.now, there.entropy)
        with _target(file) as out:
            summary = write_backup(source, out, keys, advance)
        about = _members(file, summary)
        sink(operator_event("Backup", about, command="backup", now=there.clock.now()))
    _report(about, output, to_error=file == "-")


def own_version() -> str:
    """Return the version of this Daypass."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("daypass")
    except PackageNotFoundError:  # a checkout that was not installed
        return "unknown"


@contextmanager
def _target(file: str) -> Iterator[BinaryIO]:
    from daypass.storage.backup.placed_files import new_file

    if file != "-":
        with new_file(Path(file)) as out:
            yield out
        return
    if sys.stdout.isatty():
        raise CommandError("A backup is not printed on a terminal. Redirect the output, or name a file.", Exit.USAGE)
    # A reader that pauses must not keep the snapshot open, and a backup that fails must not look like a short one.
    with SpooledTemporaryFile(_IN_MEMORY) as spool:
        yield cast("BinaryIO", spool)
        spool.seek(0)
        while piece := spool.read(_IN_MEMORY):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _members(file: str, summary: "BackupSummary") -> dict[str, Any]:
    return {
        "File": file,
        "Bytes": summary.size,
        "Sha256": summary.digest,
        "Created": summary.created.isoformat(),
        "DaypassVersion": summary.daypass_version,
        "Revision": summary.revision,
        "Rows": dict(summary.rows),
    }


def _report(about: Mapping[str, Any], output: str, *, to_error: bool) -> None:
    if output == "json" and not to_error:
        print_json({**about, "NotIncluded": list(NOT_INCLUDED)})
        return
    what = f"revision {about['Revision']:,} with {counted(about['Rows']['records'], 'record')}"
    for line in (
        f"Backed up {what}: {about['File']}, {about['Bytes']:,} bytes.",
        f"SHA-256: {about['Sha256']}",
        f"Not in it: {', '.join(NOT_INCLUDED)}.",
    ):
        click.echo(line, err=to_error)
