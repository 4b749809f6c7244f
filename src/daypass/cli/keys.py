"""`daypass keys list|rotate`: the keys that seal session tokens.

They work on the store itself, also beside live servers, which see the change within a second. What a key's state is
and when it ends is mint/lifecycle.py's rule; a server rotates by itself as `rotate_keys_days` says.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from daypass.cli.store_options import config_option, opened, output_option, print_json, store_option
from daypass.directory.ring import load_ring, save_ring
from daypass.mint.durations import LONGEST
from daypass.mint.keyring import SealingKey, SealingRing, rotate, tend
from daypass.mint.lifecycle import SKEW


@click.group()
def command() -> None:
    """List and rotate the keys that seal session tokens."""


@command.command(name="list")
@store_option
@config_option
@output_option
def list_keys(store: str | None, config_file: Path | None, output: str) -> None:
    """List the keys with their states. The keys themselves are never shown."""
    with opened(store, config_file) as there, there.store.read() as reader:
        _print(load_ring(reader, there.vault), int(there.clock.now().timestamp()), output)


@command.command(name="rotate")
@store_option
@config_option
@output_option
def rotate_keys(store: str | None, config_file: Path | None, output: str) -> None:
    """Publish a new key, and list the keys.

    It seals new tokens a minute later, when every server knows it. The key before it opens tokens until the last one
    that it sealed has expired; then it is destroyed. No session ends. While a new key waits, this changes nothing.
    """
    with opened(store, config_file) as there:
        now = int(there.clock.now().timestamp())
        with there.store.write() as writer:
            ring = load_ring(writer, there.vault)
            tended = tend(ring, now=now, rotate_after=0, entropy=there.entropy)
            rotated = rotate(tended, now=now, entropy=there.entropy)
            save_ring(writer, rotated, there.vault)
        _print(rotated, now, output)


def _print(ring: SealingRing, now: int, output: str) -> None:
    shown = [_shown(ring, key, now) for key in ring.keys]
    if output == "json":
        print_json({"Keys": shown})
        return
    for key in shown:
        until = f"destroyed after {key['DestroyedAfter']}" if key["DestroyedAfter"] else ""
        click.echo(
            f"{key['KeyId']}  {key['Purpose']}  {key['State']:<9}  active from {key['ActiveFrom']}  {until}".rstrip()
        )


def _shown(ring: SealingRing, key: SealingKey, now: int) -> dict[str, Any]:
    retires = ring.retires(key)
    return {
        "KeyId": key.id,
        "Purpose": "sealing",
        "State": ring.state(key, now=now, longest=LONGEST).value,
        "CreateDate": _instant(key.created),
        "ActiveFrom": _instant(key.activates),
        "RetiresAt": None if retires is None else _instant(retires),
        "DestroyedAfter": None if retires is None else _instant(retires + LONGEST + SKEW),
    }


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
