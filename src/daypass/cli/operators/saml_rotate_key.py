"""`daypass saml rotate-key`: a new key for requests to SAML providers.

The rotation takes two steps, or one with `--now`. The command opens the store itself; live servers see the change
within a second. federation/saml/requests/request_key.py owns the rules.
"""

from datetime import UTC, datetime
from pathlib import Path

import click

from daypass.cli.operators.keys import print_keys, request_keys
from daypass.cli.shared.operator_events import OperatorChange, operator_change
from daypass.cli.shared.store_options import operator_options, print_json
from daypass.federation.saml.requests.request_key import make_key_pair
from daypass.mint.key_ring import SKEW
from daypass.operations.saml_request_keys import (
    activate_request_key,
    add_request_key,
    drop_request_keys,
    load_request_ring,
)

_DAY = 86_400


@click.command(name="rotate-key")
@click.option(
    "--after",
    "days",
    metavar="DAYS",
    type=click.IntRange(1, 365),
    default=7,
    help="Days until the new key is used. Default: 7.",
)
@click.option("--now", "at_once", is_flag=True, help="Use the published new key, or a new one, immediately.")
@operator_options
def rotate_key(*, days: int, at_once: bool, store: str | None, config_file: Path | None, output: str) -> None:
    """Publish a new key that signs SAML requests, and list the keys.

    The new certificate is published in /saml/metadata.xml and /saml/certificate.pem beside the current one. The current
    key signs for DAYS more. Use this time to give the new certificate to providers that check signatures but do not
    read the server's metadata. If a new key is published already, this command does not create another one.
    """
    with operator_change("saml rotate-key", "RotateSAMLRequestKey", store, config_file) as change:
        moment = change.there.clock.now()
        now = int(moment.timestamp())
        says = _sign_now(change, now, moment) if at_once else _publish(change, now + days * _DAY, moment)
        shown = request_keys(change.writer, now)
        change.tell(KeyIds=[key["KeyId"] for key in shown])
    if output == "json":
        print_json({"Keys": shown})
        return
    print_keys(shown)
    click.echo(says, err=True)


def _publish(change: OperatorChange, activates: int, moment: datetime) -> str:
    now, writer = int(moment.timestamp()), change.writer
    drop_request_keys(writer, now=now)
    request_ring = load_request_ring(writer)
    waiting = next((key for key in request_ring.keys if key.activates > now), None)
    if waiting is not None:
        return (
            f"A new key is already published and signs from {_instant(waiting.activates)} on. "
            "Use --now to sign with it at once."
        )
    # The first key can sign at once.
    begins = activates if request_ring.keys else now - SKEW
    made = make_key_pair(moment)
    key = add_request_key(writer, made, created=now, activates=begins, vault=change.there.vault)
    if not request_ring.keys:
        return f"The first key, {key.id}, signs from now on."
    return (
        f"The new key, {key.id}, signs from {_instant(begins)} on. "
        "Give its certificate to your providers before that (docs/saml.md)."
    )


def _sign_now(change: OperatorChange, now: int, moment: datetime) -> str:
    writer = change.writer
    drop_request_keys(writer, now=now)
    waiting = next((key for key in load_request_ring(writer).keys if key.activates > now), None)
    if waiting is not None:
        key = activate_request_key(writer, waiting.material, now=now)
    else:
        made = make_key_pair(moment)
        key = add_request_key(writer, made, created=now, activates=now, vault=change.there.vault)
    return f"The key {key.id} signs from now on. Providers that check signatures need its certificate now."


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
