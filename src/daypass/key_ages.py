"""The ages of keys and the expiry of certificates, for the metrics.

Owns the readings of the maintenance thread, because a scrape must not read the store. The sealing keys are read every
minute, all others every hour. Readings contain no names of keys, accounts or providers.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice

from daypass.directory import records
from daypass.directory.entities.outbound_entities import TokenSigningKey
from daypass.directory.entities.saml_entities import SamlProvider, SamlRequestKey
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, Store
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.federation.saml.requests.request_key import certificate_ends
from daypass.metrics.snapshot import Reading
from daypass.ports import Clock

_EVERY = 3_600.0  # seconds
_MOST = 1_000  # records of one kind; a deployment with more shows the least of these
_DAY = 86_400


class KeyAges:
    """The last readings. `read` is a chore of the maintenance thread."""

    def __init__(
        self,
        store: Store,
        vault: SecretBox,
        clock: Clock,
        *,
        rotate_days: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._rotate_after = rotate_days * _DAY
        self._monotonic = monotonic
        self._due_at = float("-inf")
        self._sealing: tuple[Reading, ...] = ()
        self._others: tuple[Reading, ...] = ()

    def read(self) -> None:
        """Read the keys again."""
        now = self._monotonic()
        with self._store.read() as reader:
            self._sealing = tuple(self._sealing_keys(reader))
            if now >= self._due_at:
                self._others = (*_signing_keys(reader), *_certificates(reader))
                self._due_at = now + _EVERY

    def readings(self) -> Iterable[Reading]:
        """Return the last readings for the metrics."""
        return (*self._sealing, *self._others)

    def _sealing_keys(self, reader: Reader) -> Iterator[Reading]:
        ring = load_sealing_ring(reader, self._vault)
        activated = ring.active(int(self._clock.now().timestamp())).activates
        yield "daypass_sealing_keys", (), len(ring.keys)
        yield "daypass_sealing_key_activated_timestamp_seconds", (), activated
        if self._rotate_after:
            yield "daypass_sealing_key_rotation_timestamp_seconds", (), activated + self._rotate_after


def _signing_keys(reader: Reader) -> Iterator[Reading]:
    keys = islice(records.each(reader, TokenSigningKey, None), _MOST)
    oldest = min((key.activates for key in keys), default=None)
    if oldest is not None:
        yield "daypass_signing_key_oldest_timestamp_seconds", (), oldest


def _certificates(reader: Reader) -> Iterator[Reading]:
    name = "daypass_certificate_expiry_timestamp_seconds"
    requests = [certificate_ends(key.certificate) for key in records.each(reader, SamlRequestKey, "")]
    if requests:
        # The newest: an operator rotates by adding a key, and the earlier one is meant to expire.
        yield name, ("saml_request",), max(requests).timestamp()
    ends = [end for each in islice(records.each(reader, SamlProvider, None), _MOST) for end in _provider_end(each)]
    if ends:
        yield name, ("saml_provider",), min(ends).timestamp()


def _provider_end(provider: SamlProvider) -> Iterator[datetime]:
    """Yield when the last signing certificate of a provider expires.

    There is no value if that is not known.
    """
    if provider.summary is not None:
        with suppress(ValueError):  # the verification refuses a damaged one; it has no expiry
            yield max(certificate_ends(each) for each in provider.summary.certificates)
