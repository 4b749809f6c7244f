"""The certificates and keys of an account that expire or are old.

Owns the list on the overview. Leaves the life cycle of key rings to operator_keys.py, and what an expired certificate
means to federation/saml.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.store import Reader
from daypass.federation.saml.metadata import UnusableCertificateError, read_signing_key
from daypass.operations.saml_summaries import find_summary
from daypass.wire.visible_text import visible

SOON = timedelta(days=30)
_OLD = timedelta(days=90)
_MOST_READ = 5_000
_NAME = 100
_BATCH = 5  # metadata documents in memory at the same time


@dataclass(frozen=True, slots=True)
class Expiry:
    """A certificate, a metadata document or an access key, and its date.

    `state` is "expired", "soon" or "old".
    """

    name: str
    kind: str
    at: datetime
    state: str


def find_expiries(reader: Reader, account: str, now: datetime) -> list[Expiry]:
    """Return the certificates that expire within 30 days, and old keys.

    The most urgent is first.
    """
    found: list[Expiry] = []
    for provider in islice(records.each(reader, SamlProvider, account, batch=_BATCH), _MOST_READ):
        found += (_expiry(provider, kind, at, now) for kind, at in _dates(provider) if at <= now + SOON)
    for key in islice(records.each(reader, AccessKey, account), _MOST_READ):
        if key.active and key.created <= now - _OLD:
            found.append(Expiry(visible(key.id, _NAME), "access key", key.created, "old"))
    return sorted(found, key=lambda each: (each.state == "old", each.at))


def _expiry(provider: SamlProvider, kind: str, at: datetime, now: datetime) -> Expiry:
    return Expiry(visible(provider.name, _NAME), kind, at, "expired" if at <= now else "soon")


def _dates(provider: SamlProvider) -> Iterator[tuple[str, datetime]]:
    if provider.valid_until is not None:
        yield "SAML metadata", provider.valid_until
    summary = find_summary(provider)
    for octets in () if summary is None else summary.certificates:
        try:
            yield "SAML signing certificate", read_signing_key(octets).not_after
        except UnusableCertificateError:
            continue
