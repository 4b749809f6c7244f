"""`daypass keys list|rotate`: the keys that seal and sign tokens.

They seal session tokens, and sign web identity tokens and webhooks. The keys of SAML requests are only listed:
`daypass saml rotate-key` rotates them, since providers need the new certificate first. The commands open the store
itself; live servers see the change within a second. mint/key_ring.py owns the states and lifetimes of keys.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from daypass.cli.shared.operator_events import operator_change
from daypass.cli.shared.store_options import opened, operator_options, print_json
from daypass.directory.outbound import issuer_accounts, load_issuer_rings, maintain_issuer_keys, rotate_token_keys
from daypass.directory.store import Reader
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.federation.saml.requests.request_key import LONGEST_REQUEST, certificate_ends
from daypass.mint.durations import LONGEST
from daypass.mint.key_ring import SKEW, KeyRing, RingKey
from daypass.mint.sealing_keys import maintain_sealing_ring, rotate
from daypass.mint.web_identity import LONGEST_TOKEN
from daypass.operations.saml_request_keys import load_request_ring

if TYPE_CHECKING:
    from daypass.storage.views import OpenedStore

M = TypeVar("M")


@click.group()
def command() -> None:
    """List and rotate the keys that seal and sign tokens.

    These keys seal session tokens and sign web identity tokens. `list` also shows the keys that sign SAML requests.
    """


@command.command(name="list")
@operator_options
def list_keys(store: str | None, config_file: Path | None, output: str) -> None:
    """List the keys and their states. The key material is never shown."""
    with opened(store, config_file) as there, there.store.read() as reader:
        _print(_all_keys(reader, there), output)


@command.command(name="rotate")
@operator_options
def rotate_keys(store: str | None, config_file: Path | None, output: str) -> None:
    """Publish new keys and list all keys.

    A new sealing key is used after one minute, when every server has it. A new signing key is used after one day, when
    every relying party has it. The previous key is destroyed when the last token that it made has expired. Sessions and
    tokens stay valid. While a new key is not in use yet, this command does not publish another one.
    """
    with operator_change("keys rotate", "RotateKeys", store, config_file) as change:
        there, writer = change.there, change.writer
        now = int(there.clock.now().timestamp())
        ring = load_sealing_ring(writer, there.vault)
        tended = maintain_sealing_ring(ring, now=now, rotate_after=0, entropy=there.entropy)
        save_sealing_ring(writer, rotate(tended, now=now, entropy=there.entropy), there.vault)
        for account in issuer_accounts(writer):
            maintain_issuer_keys(writer, account, now=now, rotate_after=0, vault=there.vault)
            rotate_token_keys(writer, account, now=now, vault=there.vault)
        shown = _all_keys(writer, there)
        change.tell(KeyIds=[key["KeyId"] for key in shown if key["Purpose"] != "saml"])
    _print(shown, output)


def _all_keys(reader: Reader, there: "OpenedStore") -> list[dict[str, Any]]:
    now = int(there.clock.now().timestamp())
    sealing = load_sealing_ring(reader, there.vault)
    shown = [_shown(sealing, key, now, longest=LONGEST) | {"Purpose": "sealing"} for key in sealing.keys]
    for account in issuer_accounts(reader):
        for ring in load_issuer_rings(reader, account, there.vault).rings.values():
            more = {"Purpose": "signing", "AccountId": account}
            shown += [_shown(ring, key, now, longest=LONGEST_TOKEN) | more for key in ring.keys]
    return shown + request_keys(reader, now)


def request_keys(reader: Reader, now: int) -> list[dict[str, Any]]:
    """Return the printed members of the keys that sign SAML requests."""
    ring = load_request_ring(reader)
    return [
        _shown(ring, key, now, longest=LONGEST_REQUEST)
        | {"Purpose": "saml", "CertificateEnds": certificate_ends(key.material.certificate).isoformat()}
        for key in ring.keys
    ]


def _print(shown: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        print_json({"Keys": shown})
    else:
        print_keys(shown)


def print_keys(shown: list[dict[str, Any]]) -> None:
    """Print keys, one per line."""
    for key in shown:
        until = f"destroyed after {key['DestroyedAfter']}" if key["DestroyedAfter"] else ""
        words = (key["KeyId"], key["Purpose"], f"{key['State']:<9}", f"active from {key['ActiveFrom']}")
        click.echo("  ".join((*words, *filter(None, (key.get("AccountId"), until)))))


def _shown(ring: KeyRing[M], key: RingKey[M], now: int, *, longest: int) -> dict[str, Any]:
    retires = ring.retires(key)
    return {
        "KeyId": key.id,
        "State": ring.state(key, now=now, longest=longest).value,
        "CreateDate": _instant(key.created),
        "ActiveFrom": _instant(key.activates),
        "RetiresAt": None if retires is None else _instant(retires),
        "DestroyedAfter": None if retires is None else _instant(retires + longest + SKEW),
    }


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
