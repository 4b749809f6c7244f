"""The stored keys that sign our requests to identity providers.

A deployment has one ring. Owns the creation of the first key when a node needs it, and opening the active one.
federation/saml/requests/request_key.py owns the rules of rotation, which an operator starts.
"""

from threading import Lock
from typing import TypeAlias

import msgspec

from daypass.directory import records
from daypass.directory.entities.saml_entities import SamlRequestKey
from daypass.directory.secret_box import SecretBox, SecretDecryptionError
from daypass.directory.store import Reader, Writer
from daypass.errors import ServiceUnavailable
from daypass.federation.saml.requests.request_key import (
    LONGEST_REQUEST,
    RequestKeyPair,
    RequestSigner,
    UnusableKeyError,
    first_activation,
    make_key_pair,
    published,
)
from daypass.mint.key_ring import KeyRing, NoActiveKeyError, RingKey, drop_expired
from daypass.operations.request_context import RequestContext

RequestRing: TypeAlias = KeyRing[SamlRequestKey]

_MOST = 1000
_UNUSABLE = (
    "The key that signs sign-in requests cannot be used. "
    "The operator of this server can make a new one with `daypass saml rotate-key --now`."
)
_NONE_ACTIVE = "No key that signs sign-in requests is active yet: the clock of this server is behind."
# Creating a key takes much processor time: concurrent unauthenticated requests wait for one.
_making = Lock()


def load_request_ring(reader: Reader) -> RequestRing:
    """Return the keys, each still sealed."""
    keys = records.page(reader, SamlRequestKey, "", limit=_MOST)
    return KeyRing(tuple(RingKey(key.id, key, key.created, key.activates) for key in keys))


def load_signer(reader: Reader, key_id: str, vault: SecretBox) -> RequestSigner:
    """Return one key, opened.

    Raises SecretDecryptionError or UnusableKeyError if it is damaged.
    """
    key = records.find(reader, SamlRequestKey, "", key_id)
    if key is None:
        raise UnusableKeyError("it was deleted")
    return RequestSigner(vault.decrypt(key.sealed_private, bound_to=key.key_name), key.certificate)


def published_certificates(ctx: RequestContext) -> list[bytes]:
    """Return the certificates in our metadata, that of the active key first."""
    try:
        return [key.material.certificate for key in published(_request_ring(ctx), int(ctx.now.timestamp()))]
    except NoActiveKeyError as error:
        raise ServiceUnavailable(_NONE_ACTIVE) from error


def find_signer(ctx: RequestContext) -> RequestSigner:
    """Return the signer of requests.

    Raises ServiceUnavailable if its key cannot be used.
    """
    try:
        key = _request_ring(ctx).active(int(ctx.now.timestamp()))
        return ctx.views.get(load_signer, key.id, ctx.vault)
    except NoActiveKeyError as error:
        raise ServiceUnavailable(_NONE_ACTIVE) from error
    except (SecretDecryptionError, UnusableKeyError) as error:
        raise ServiceUnavailable(_UNUSABLE, detail=f"the key of SAML requests {key.id}: {error}") from error


def add_request_key(
    writer: Writer, made: RequestKeyPair, *, created: int, activates: int, vault: SecretBox
) -> SamlRequestKey:
    """Store a new key that signs from `activates` on, and return it."""
    bare = SamlRequestKey(
        id=made.id, certificate=made.certificate, sealed_private=b"", created=created, activates=activates
    )
    key = msgspec.structs.replace(bare, sealed_private=vault.encrypt(made.private, bound_to=bare.key_name))
    records.insert(writer, key)
    return key


def activate_request_key(writer: Writer, key: SamlRequestKey, *, now: int) -> SamlRequestKey:
    """Make a waiting key sign from now on, and return it."""
    active = msgspec.structs.replace(key, activates=now)
    records.replace(writer, active)
    return active


def drop_request_keys(writer: Writer, *, now: int) -> None:
    """Destroy the keys whose last request has expired."""
    request_ring = load_request_ring(writer)
    kept = drop_expired(request_ring, now=now, longest=LONGEST_REQUEST)
    for key in request_ring.keys:
        if kept.find(key.id) is None:
            records.delete(writer, key.material)


def has_expired_keys(reader: Reader, *, now: int) -> bool:
    """Tell whether there are keys to destroy."""
    request_ring = load_request_ring(reader)
    return drop_expired(request_ring, now=now, longest=LONGEST_REQUEST) is not request_ring


def _request_ring(ctx: RequestContext) -> RequestRing:
    request_ring = ctx.views.get(load_request_ring)
    return request_ring if request_ring.keys else _first_request_ring(ctx)


def _first_request_ring(ctx: RequestContext) -> RequestRing:
    with _making:
        request_ring = ctx.views.get(load_request_ring)
        if request_ring.keys:
            return request_ring
        # Created inside the transaction: other writers wait for it once in a deployment's life, and while the store is
        # unavailable, attackers cannot make us create key after key.
        with ctx.new_transaction() as writer:
            request_ring = load_request_ring(writer)
            if not request_ring.keys:  # another node may have been first
                made, now = make_key_pair(ctx.now), int(ctx.now.timestamp())
                add_request_key(writer, made, created=now, activates=first_activation(now), vault=ctx.vault)
                request_ring = load_request_ring(writer)
        return request_ring
