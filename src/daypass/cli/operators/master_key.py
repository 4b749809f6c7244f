"""`daypass master-key rotate`: new keys for the secrets of a store.

Owns the choice of the step, its words for people, and its audit event. Leaves the steps to storage/rotation.py. Keys
come from the environment and from files, never from the command line, which other users of the machine can read.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daypass.cli.shared.exit_codes import CommandError, Exit
from daypass.cli.shared.store_options import opened, operator_options, print_json, read_config, read_keys
from daypass.counted import counted

if TYPE_CHECKING:
    from daypass.config import Config
    from daypass.storage.keyring import StoredKeyring
    from daypass.storage.master_key import MasterKeySource
    from daypass.storage.rotation import ResealCount
    from daypass.storage.views import OpenedStore
    from daypass.storage.wrapping.provider import WrappingProvider

_RESTART = (
    "Give every node the new master key and restart the nodes one by one. "
    "Then run `daypass master-key rotate --finish` with the new master key."
)
_FINISH = "Run `daypass master-key rotate --finish` in {left} or later. Until then the store keeps the old data key."


@click.group()
def command() -> None:
    """Rotate the keys that encrypt the secrets of the store."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The result of a step: its name, a sentence, and the next step."""

    step: str
    sentence: str
    next_step: str = ""
    count: "ResealCount | None" = None


@command.command(name="rotate")
@click.option("--new-data-key", is_flag=True, help="Encrypt every secret again under a new data key.")
@click.option("--finish", is_flag=True, help="Remove the old master key or the old data key.")
@click.option("--cancel", is_flag=True, help="Forget a new master key that is not in use yet.")
@click.option("--all-nodes-upgraded", is_flag=True, help="Confirm that no node of version 0.1.0 uses the store.")
@click.option("--dry-run", is_flag=True, help="Show the state of the keys, and change nothing.")
@operator_options
def rotate(store: str | None, config_file: Path | None, output: str, **flags: bool) -> None:
    """Rotate the master key, while servers run.

    The new master key is in DAYPASS_NEW_MASTER_KEY or DAYPASS_NEW_MASTER_KEY_FILE. Both keys open the store until you
    run the command with --finish. A key that Daypass generated beside a SQLite store is replaced at once. Without a new
    key, a key in Vault wraps the data key again under its newest version.

    --new-data-key encrypts the secrets themselves again, for the case that the old keys and a copy of the store were
    stolen. A run that was interrupted is repeated.
    """
    chosen = [name for name in ("new_data_key", "finish", "cancel") if flags[name]]
    if len(chosen) > 1:
        raise click.UsageError("Give one of --new-data-key, --finish and --cancel.")
    config = read_config({"store": store}, config_file)
    keys = read_keys(os.environ)
    with opened(store, config_file) as there:
        rotation = _Rotation(there, config, keys, output)
        if flags["dry_run"]:
            outcome = rotation.show()
        elif flags["new_data_key"]:
            outcome = rotation.new_data_key(confirmed=flags["all_nodes_upgraded"])
        elif flags["finish"]:
            outcome = rotation.finish()
        elif flags["cancel"]:
            outcome = rotation.cancel()
        else:
            outcome = rotation.new_master_key()
        rotation.print(outcome)


class _Rotation:
    """The steps on one opened store."""

    def __init__(self, there: "OpenedStore", config: "Config", keys: "MasterKeySource", output: str) -> None:
        from daypass.storage.address import parse_address
        from daypass.storage.master_key import find_wrapping_provider

        self._there = there
        self._config = config
        self._keys = keys
        self._output = output
        self._address = parse_address(config.store_url)
        self._provider = find_wrapping_provider(self._address, keys, store_is_empty=False)

    def show(self) -> _Outcome:
        """Count the secrets, and say which rotation is under way."""
        from daypass.storage.rotation import count_secrets, seconds_left

        keyring = self._keyring()
        count = count_secrets(self._there.store)
        if keyring.next:
            return _Outcome("", "A rotation of the master key is under way.", _RESTART, count)
        if len(keyring.wrappings) > 1:
            words = _FINISH.format(left=counted(seconds_left(keyring, self._now()), "second"))
            if count.older:
                words = "Run `daypass master-key rotate --new-data-key` again, which continues."
            return _Outcome("", "A rotation of the data key is under way.", words, count)
        return _Outcome("", "No rotation is under way.", count=count)

    def new_master_key(self) -> _Outcome:
        """Let a new master key open the store."""
        from daypass.storage.generated_key import rotate_generated_key
        from daypass.storage.rotation import add_master_key

        store, new = self._there.store, self._find_new()
        if new is None and not self._keys.text and not self._keys.file:
            file = Path(self._provider.name)
            self._provider = self._audited("replace", lambda: rotate_generated_key(store, file))
            return _Outcome("replaced", f"{file} has a new master key. Replace the old one in your backup of keys.")
        if new is None and self._provider.scheme == "key":
            raise CommandError(
                "There is no new master key. Make one with `openssl rand -base64 32`, and set "
                "DAYPASS_NEW_MASTER_KEY or DAYPASS_NEW_MASTER_KEY_FILE.",
                Exit.CONFIGURATION,
            )
        self._audited("add", lambda: add_master_key(store, self._provider, new or self._provider))
        if not self._keyring().next:
            return _Outcome("wrapped", "The newest version of the master key wraps the data key now.")
        return _Outcome("added", "The old and the new master key open the store now.", _RESTART)

    def new_data_key(self, *, confirmed: bool) -> _Outcome:
        """Publish a data key, and encrypt every secret again."""
        from daypass.storage.rotation import add_data_key, reseal_secrets, seconds_left

        if not confirmed:
            raise CommandError(
                "Nodes of version 0.1.0 cannot read secrets under a new data key. Upgrade every node, then repeat the "
                "command with --all-nodes-upgraded.",
                Exit.CONFIGURATION,
            )
        there = self._there
        self._audited("add-data-key", lambda: add_data_key(there.store, self._provider, there.entropy, now=self._now()))
        count = reseal_secrets(there.store, self._vault(), self._report(), now=self._now)
        words = _FINISH.format(left=counted(seconds_left(self._keyring(), self._now()), "second"))
        return _Outcome(
            "resealed", f"The new data key encrypts {counted(count.older, 'more secret')} now.", words, count
        )

    def finish(self) -> _Outcome:
        """Remove the old master key or the old data key."""
        from daypass.storage.rotation import finish_data_key, finish_master_key, reseal_secrets

        store, keyring = self._there.store, self._keyring()
        if keyring.next:
            self._audited("finish", lambda: finish_master_key(store, self._provider))
            return _Outcome("finished", "The new master key alone opens the store now. The old one can be destroyed.")
        if len(keyring.wrappings) == 1:
            return _Outcome("", "No rotation is under way.")
        count = reseal_secrets(store, self._vault(), self._report(), now=self._now)
        self._audited("finish-data-key", lambda: finish_data_key(store, self._provider, now=self._now()))
        return _Outcome("finished", "The old data key was removed.", count=count)

    def cancel(self) -> _Outcome:
        """Forget the new master key."""
        from daypass.storage.rotation import cancel_master_key

        self._audited("cancel", lambda: cancel_master_key(self._there.store, self._provider))
        return _Outcome("cancelled", "The old master key alone opens the store.")

    def print(self, outcome: _Outcome) -> None:
        """Print the outcome and the state of the keys."""
        keyring, count = self._keyring(), outcome.count
        if self._output == "json":
            print_json(
                {
                    "Step": outcome.step or None,
                    "MasterKey": keyring.wrappings[0].name or "key",
                    "NewMasterKey": (keyring.next[0].name or "key") if keyring.next else None,
                    "DataKeys": len(keyring.wrappings),
                    "Secrets": None if count is None else {"Total": count.seen, "Older": count.older},
                    "NextStep": outcome.next_step or None,
                }
            )
            return
        click.echo(outcome.sentence)
        if count is not None:
            click.echo(f"Secrets: {count.seen}, of which {count.older} were under an older data key.")
        if outcome.next_step:
            click.echo(f"Next: {outcome.next_step}")

    def _keyring(self) -> "StoredKeyring":
        from daypass.storage.rotation import get_keyring

        return get_keyring(self._there.store)

    def _vault(self) -> Any:
        from daypass.storage.vault import open_vault

        return open_vault(self._there.store, self._provider)

    def _now(self) -> int:
        return int(self._there.clock.now().timestamp())

    def _find_new(self) -> "WrappingProvider | None":
        from daypass.storage.master_key import (
            MasterKeySource,
            find_wrapping_provider,
            is_elsewhere,
            parse_master_key,
            read_master_key,
        )
        from daypass.storage.refusals import StoreOpenError

        text = os.environ.get("DAYPASS_NEW_MASTER_KEY", "").strip()
        file = os.environ.get("DAYPASS_NEW_MASTER_KEY_FILE", "")
        if text and file:
            raise StoreOpenError("DAYPASS_NEW_MASTER_KEY and DAYPASS_NEW_MASTER_KEY_FILE are both set; set one of them")
        if is_elsewhere(text):
            source = MasterKeySource(text=text, vault_token=self._keys.vault_token, pin=self._keys.pin)
            return find_wrapping_provider(self._address, source, store_is_empty=False)
        if text:
            return parse_master_key(text, source="DAYPASS_NEW_MASTER_KEY")
        return read_master_key(Path(file)) if file else None

    def _report(self) -> "Callable[[ResealCount], None]":
        """Return a function that shows the progress on a terminal, on one line."""
        if self._output == "json" or not sys.stderr.isatty():
            return lambda _: None
        words = "\r{} secrets read, {} encrypted again"
        return lambda count: click.echo(words.format(count.seen, count.older), err=True, nl=False)

    def _audited(self, step: str, change: Callable[[], Any]) -> Any:
        """Make a change, and record an event.

        The log is opened first, so that a change is not made without it.
        """
        from daypass.cli.shared.apply_context import audited
        from daypass.cli.shared.operator_events import operator_event

        parameters = {"step": step, "masterKey": self._provider.name}
        now = self._there.clock.now()
        with audited(self._config) as sink:
            made = change()
            sink(operator_event("RotateMasterKey", parameters, command="master-key rotate", now=now))
        return made
