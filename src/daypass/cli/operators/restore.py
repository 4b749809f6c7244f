"""`daypass restore`: make a store from a backup.

Owns the options, and the report of the sessions and keys that a restore cannot know. Leaves the work to storage/backup.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from daypass.cli.shared.apply_context import audited
from daypass.cli.shared.backup_keys import explaining_backups, read_passphrase, read_secret_text
from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.operator_events import operator_event
from daypass.cli.shared.progress import shown_progress
from daypass.cli.shared.store_options import operator_options, print_json, read_config, read_keys, stopping
from daypass.counted import counted

if TYPE_CHECKING:
    from daypass.storage.address import Address
    from daypass.storage.backup.restore_backup import Replacement, RestoreSummary
    from daypass.storage.wrapping.provider import WrappingProvider

# The state after the time of the backup is lost. One sentence for each part of it that matters for access.
_LOST = (
    "Users, roles, access keys, MFA devices and policies are as they were then: the deleted ones grant access again.",
    "Access keys that were created since then are missing, and those that were deactivated are active again.",
    "Revocations since then are lost: run `daypass sessions revoke` again.",
    "Single-use assertions, tokens and codes that were used since then can be used again while they are valid.",
)
_SESSIONS_STAY = (
    "Sessions that were issued before or since are valid until they expire, if their key is in the backup.",
    "People who signed out since then are signed in again.",
)
_SESSIONS_ENDED = ("Every session and sign-in that was issued until now has ended.",)


@click.command()
@click.argument("file", metavar="FILE")
@click.option(
    "--identity",
    "identities",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file with a secret key of age, for a backup with --recipient. Repeatable.",
)
@click.option("--revoke-all", is_flag=True, help="End every session and sign-in that was issued until now.")
@operator_options
def command(
    *,
    file: str,
    identities: tuple[Path, ...],
    revoke_all: bool,
    store: str | None,
    config_file: Path | None,
    output: str,
) -> None:
    """Restore the backup FILE ("-": standard input) into an empty store.

    The store is a SQLite file that does not exist, or an empty PostgreSQL database; the backup may be of either. The
    passphrase is in DAYPASS_BACKUP_PASSPHRASE or in the file that DAYPASS_BACKUP_PASSPHRASE_FILE names. The restored
    store gets the present master key: the old one is not needed.
    """
    from daypass.storage.address import parse_address
    from daypass.storage.backup.restore_backup import Replacement, RestoreKeys, RestorePlan, restore_backup
    from daypass.storage.backup.restore_targets import prepare_target
    from daypass.system_clock import SystemClock

    config = read_config({"store": store}, config_file)
    clock = SystemClock()
    with (
        explaining_backups("Standard input" if file == "-" else file),
        stopping(),
        _source(file) as source,
        shown_progress("Restoring", "rows") as advance,
    ):
        address = parse_address(config.store_url)
        prepare_target(address)
        keys = RestoreKeys(
            read_passphrase(os.environ), {str(path): read_secret_text(path, "--identity") for path in identities}
        )
        replacement = replacement_of_sessions(clock.now()) if revoke_all else Replacement()
        plan = RestorePlan(address, keys, lambda: _master_key(address), replacement)
        with audited(config) as sink:
            summary = restore_backup(source, plan, advance)
            about = _members(file, summary, revoke_all=revoke_all)
            sink(operator_event("Restore", about, command="restore", now=clock.now()))
    _report(about, summary, clock.now(), output)


@contextmanager
def _source(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CommandError(f"The backup {file} cannot be read: {error.strerror}.", Exit.CONFIGURATION) from error
    with opened:
        yield opened


def _master_key(address: "Address") -> "WrappingProvider":
    from daypass.storage.master_key import find_wrapping_provider

    return find_wrapping_provider(address, read_keys(os.environ), store_is_empty=True)


def replacement_of_sessions(now: datetime) -> "Replacement":
    """Return what `--revoke-all` leaves out, and the new sealing key."""
    from daypass.sign_in.all_sessions import KINDS_OF_SESSIONS, LINKS_OF_SESSIONS, new_sealing_keys
    from daypass.storage.backup.restore_backup import Replacement

    return Replacement(
        KINDS_OF_SESSIONS, LINKS_OF_SESSIONS, lambda vault: new_sealing_keys(vault, now=now, entropy=os.urandom)
    )


def _members(file: str, summary: "RestoreSummary", *, revoke_all: bool) -> dict[str, Any]:
    return {
        "File": file,
        "Created": summary.created.isoformat(),
        "DaypassVersion": summary.daypass_version,
        "Revision": summary.revision + 1,
        "Rows": dict(summary.rows),
        "RevokedAll": revoke_all,
    }


def _report(about: dict[str, Any], summary: "RestoreSummary", now: datetime, output: str) -> None:
    lost = [*_LOST, *(_SESSIONS_ENDED if about["RevokedAll"] else _SESSIONS_STAY)]
    if output == "json":
        unknown = {"From": about["Created"], "Until": now.isoformat(), "Notes": lost}
        print_json({**about, "Unknown": unknown})
        return
    click.echo(
        f"Restored {counted(summary.rows['records'], 'record')} of {summary.created:%Y-%m-%d %H:%M:%S} UTC, written by "
        f"Daypass {summary.daypass_version}. Run `daypass check` before you start a server on it."
    )
    click.echo(f"\nThe backup knows nothing of the time since then, until {now:%Y-%m-%d %H:%M:%S} UTC:")
    for sentence in lost:
        click.echo(f"- {sentence}")
    if not about["RevokedAll"]:
        click.echo("\nIf a key may have leaked in that time, restore with --revoke-all instead.")
