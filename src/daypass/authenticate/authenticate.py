"""Authenticate a request: key, session token, principal, signature.

Owns the order of the checks, which is AWS's: scope, session token, expiry, principal, signature. Leaves signatures to
sigv4/.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from daypass.authenticate.caller import Caller, federated_caller, role_caller, root_caller, user_caller
from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.scope import check_scope
from daypass.authenticate.sigv4.signature import UnverifiedSignature
from daypass.authenticate.sigv4.verify import verify_signature
from daypass.directory.entities.iam_entities import AccessKey
from daypass.directory.identity import Identity, load_access_key, load_account, load_identity
from daypass.directory.revocations import is_revoked, load_revocations
from daypass.directory.store import Reader, Views
from daypass.errors import ExpiredToken, Fault, InvalidClientTokenId
from daypass.mint.sealing_keys import SealingRing
from daypass.mint.session import Session, SessionKind
from daypass.wire.http import HttpRequest

_INVALID = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired"


class Lookup(msgspec.Struct, frozen=True):
    """The inputs of a signature check: directory, keys, regions and time.

    `signature_now` is set in tests alone: it returns the time by which a signature of a given time is judged.
    """

    views: Views
    keychain: Keychain
    load_sealing_ring: Callable[[], SealingRing]
    is_region: Callable[[str], bool]
    now: datetime
    signature_now: Callable[[datetime], datetime] | None = None


class Signer(msgspec.Struct, frozen=True):
    """The caller whose signature was verified, and the region of its scope."""

    caller: Caller
    region: str


def authenticate(
    unverified: UnverifiedSignature, request: HttpRequest, *, services: frozenset[str], lookup: Lookup
) -> Signer:
    """Return the signer of the request, or raise the Fault that AWS returns.

    `services` are the valid service names in the credential scope.
    """
    now = lookup.now if lookup.signature_now is None else lookup.signature_now(unverified.signed_at)
    check_scope(unverified, services=services, is_region=lookup.is_region, now=now)
    named = _find_named(unverified.access_key_id, unverified.token, lookup)
    try:
        # The body of _open, inlined: every signed call runs this.
        caller, secret = _long_term(named, lookup) if isinstance(named, KeyHolder) else _temporary(named, lookup)
        key = lookup.keychain.signing_key(secret, unverified.date, unverified.region, unverified.service)
        verified = verify_signature(unverified, request, signing_key=key)
    except Fault as fault:
        _note_known_key(fault, named)
        raise
    return Signer(caller, verified.region)


def find_caller(access_key_id: str, token: str | None, lookup: Lookup) -> tuple[Caller, str]:
    """Return the caller that a key and a token name, and its secret.

    The caller has not proved anything yet; the signature must still be compared. Raises the same faults as
    `authenticate`, in the same order.
    """
    named = _find_named(access_key_id, token, lookup)
    try:
        return _open(named, lookup)
    except Fault as fault:
        _note_known_key(fault, named)
        raise


def _note_known_key(fault: Fault, named: "KeyHolder | Session") -> None:
    """Add to a fault that the call names a key that exists, for the audit event."""
    fault.names_known_key = True
    fault.key_account = named.key.account if isinstance(named, KeyHolder) else named.account


class KeyHolder(msgspec.Struct, frozen=True):
    """A long-term key and the caller that owns it."""

    key: AccessKey
    caller: Caller


def load_key_holder(reader: Reader, access_key_id: str) -> KeyHolder | None:
    """Return a long-term key and its owner, or None if either does not exist."""
    key = load_access_key(reader, access_key_id)
    if key is None or load_account(reader, key.account) is None:
        return None
    if key.is_root:
        return KeyHolder(key, root_caller(key.account, key.id))
    user = load_identity(reader, key.owner)
    return None if user is None else KeyHolder(key, user_caller(user, key.id))


def _find_named(access_key_id: str, token: str | None, lookup: Lookup) -> KeyHolder | Session:
    """Return the long-term key or the session that the request names.

    The caller has not proved yet that it has the key.
    """
    if token is not None:
        return lookup.keychain.session_of(token, access_key_id, lookup.load_sealing_ring())
    found = lookup.views.get(load_key_holder, access_key_id)
    if found is None:
        raise InvalidClientTokenId(_INVALID, detail="the access key or its owner does not exist")
    return found


def _open(named: KeyHolder | Session, lookup: Lookup) -> tuple[Caller, str]:
    return _long_term(named, lookup) if isinstance(named, KeyHolder) else _temporary(named, lookup)


def _long_term(found: KeyHolder, lookup: Lookup) -> tuple[Caller, str]:
    if not found.key.active:
        raise InvalidClientTokenId(_INVALID, detail="the access key is inactive")
    return found.caller, lookup.keychain.secret_of(found.key)


def _temporary(session: Session, lookup: Lookup) -> tuple[Caller, str]:
    # The expiry is exclusive: a session that expires at noon is not valid at noon.
    if lookup.now.timestamp() >= session.expires:
        raise ExpiredToken(_EXPIRED)
    revocations = lookup.views.get(load_revocations)
    if revocations and is_revoked(session, revocations):
        raise InvalidClientTokenId(_INVALID, detail="an operator revoked the sessions of the issuing access key")
    return _session_caller(session, lookup), session.secret.text


def _session_caller(session: Session, lookup: Lookup) -> Caller:
    match session.kind:
        case SessionKind.ROLE:
            return role_caller(_require_identity(session.principal_id, lookup), session)
        case SessionKind.USER:
            user = _require_identity(session.principal_id, lookup)
            return user_caller(user, session.access_key_id, session)
        case SessionKind.FEDERATED:
            _require_account(session.account, lookup)
            by_root = session.principal_id == session.account
            parent = None if by_root else _require_identity(session.principal_id, lookup)
            return federated_caller(session.account, parent, session)
        case SessionKind.ROOT:
            _require_account(session.account, lookup)
            return root_caller(session.account, session.access_key_id, session)


def _require_identity(unique_id: str, lookup: Lookup) -> Identity:
    # By unique ID: a user or role created again must not revive old sessions.
    identity = lookup.views.get(load_identity, unique_id)
    if identity is None:
        raise InvalidClientTokenId(_INVALID, detail="the user or role of the credentials does not exist any more")
    return identity


def _require_account(account: str, lookup: Lookup) -> None:
    if lookup.views.get(load_account, account) is None:
        raise InvalidClientTokenId(_INVALID, detail="the account of the credentials does not exist any more")
