"""Parse a provider's metadata once, not at each sign-in.

Owns the summary that is stored beside a metadata document, and its replacement for records of a version before 0.2,
which may share the store: such a document is parsed once in each process, and its summary is cached by the document's
SHA-256, within a limited number of bytes.

* A summary is used only for the document from which it was made, so a stale one can never name a retired key.
* Sign-ins use only the first address of each binding.
"""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import replace

from daypass.directory.entities.saml_entities import MetadataSummary, SamlProvider
from daypass.errors import Fault, InvalidInput
from daypass.federation.saml.metadata import (
    IdentityProviderMetadata,
    SignOnLocation,
    UnusableCertificateError,
    read_metadata,
    read_signing_key,
)

_LONGEST_ADDRESS = 2_048  # browsers and servers do not agree on longer ones
_MOST_BINDINGS = 8
_REMEMBERED_BYTES = 16 * 2**20
_OVERHEAD_BYTES = 512


class _SummaryMemory:
    """The summaries of documents that are stored without one.

    None marks a document that cannot be parsed.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[str, MetadataSummary | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str, document: str) -> MetadataSummary | None:
        """Return the summary of a document, or None if it cannot be parsed.

        One is parsed at a time: a large one takes much memory.
        """
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
                return self._kept[digest]
            try:
                summary = summarize(read_metadata(document), document)
            except Fault:
                summary = None
            self._keep(digest, summary)
            return summary

    def _keep(self, digest: str, summary: MetadataSummary | None) -> None:
        self._kept[digest] = summary
        self._bytes += _weight(summary)
        while self._bytes > self._most:
            self._bytes -= _weight(self._kept.popitem(last=False)[1])


_memory = _SummaryMemory(_REMEMBERED_BYTES)


def summarize(metadata: IdentityProviderMetadata, document: str) -> MetadataSummary:
    """Return the summary that is stored beside a metadata document."""
    sign_on: dict[str, str] = {}
    for each in metadata.sign_on:
        if len(sign_on) < _MOST_BINDINGS and max(len(each.binding), len(each.location)) <= _LONGEST_ADDRESS:
            sign_on.setdefault(each.binding, each.location)
    return MetadataSummary(
        digest=_digest(document),
        certificates=tuple(key.certificate for key in metadata.signing_keys),
        sign_on=tuple(sign_on.items()),
        wants_signed_requests=metadata.wants_signed_requests,
    )


def find_summary(provider: SamlProvider) -> MetadataSummary | None:
    """Return the summary of a provider's metadata, or None if unreadable."""
    digest = _digest(provider.metadata)
    if provider.summary is not None and provider.summary.digest == digest:
        return provider.summary
    return _memory.get(digest, provider.metadata)


def metadata_of(provider: SamlProvider) -> IdentityProviderMetadata:
    """Return a registered provider's metadata.

    Raises InvalidInput if it is unreadable.
    """
    summary = find_summary(provider)
    if summary is None:
        return read_metadata(provider.metadata)  # It raises an error with the reason.
    try:
        # A certificate may be long, and the verification of responses needs only its key.
        keys = tuple(replace(read_signing_key(octets), certificate=b"") for octets in summary.certificates)
    except UnusableCertificateError as problem:
        raise InvalidInput("Could not parse metadata", detail=str(problem)) from None
    return IdentityProviderMetadata(
        entity_id=provider.entity_id,
        signing_keys=keys,
        sign_on=tuple(SignOnLocation(binding, location) for binding, location in summary.sign_on),
        valid_until=provider.valid_until,
        wants_signed_requests=summary.wants_signed_requests,
    )


def _digest(document: str) -> str:
    return hashlib.sha256(document.encode("utf-8", "surrogatepass")).hexdigest()


def _weight(summary: MetadataSummary | None) -> int:
    if summary is None:
        return _OVERHEAD_BYTES
    addresses = sum(len(binding) + len(location) for binding, location in summary.sign_on)
    return _OVERHEAD_BYTES + sum(map(len, summary.certificates)) + addresses
