"""Sign-in sessions: begin, find, end, revoke and list them.

A session is one person's verified sign-in, kept in the store for every node:

* The browser holds "ID.SECRET" in a cookie. The store holds the hash of the secret, and the sealed proof.
* A session ends with the configured time, with the session at the SAML provider, with the removal of its provider or
  client, by sign-out, or by revocation.
* Sign-out deletes the session, its proof and its token families. Role sessions last to their own end.
* A revocation also ends every role session of the sign-in, and what grew from it, on every node and gateway: the key
  chain of such a session begins with the sign-in's id.
* A SAML assertion begins one session at most (SAML profiles section 4.1.4.5).

Accounts and people have a limited number of live sessions, so that one tenant cannot fill the store.
Leaves the evaluation of the proof to proofs.py, and cookies to the portal.
"""

import hashlib
import hmac
import re
from datetime import datetime, timedelta

import msgspec

from daypass.base64url import to_base64url
from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider, OidcSignInClient
from daypass.directory.entities.sign_in_entities import SignInSession, StoredProof, TokenFamily
from daypass.directory.identity import load_accounts_with
from daypass.directory.loader_marks import keeps_little, measured_by
from daypass.directory.revocations import REVOCATION_KEPT, revoke_for_good
from daypass.directory.saml_providers import find_provider
from daypass.directory.store import Link, Reader, RecordMissingError, Store, Writer
from daypass.errors import InvalidIdentityToken, Throttling, ValidationError
from daypass.federation.oidc.provider import SCHEME, find_built_in
from daypass.operations.oidc_clients import find_client, find_record
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_with_saml import use_up_assertion
from daypass.sign_in.proofs import Identified, Proof, SignInOverError, require_foreign_issuer, seal_proof

MOST_OF_ACCOUNT = 50_000
"""The largest number of live sessions of one account's providers."""
MOST_OF_PERSON = 50
"""The largest number of live sessions of one person. Another one ends the oldest."""

MOST_REVOKED = 10_000
"""About the largest number of sign-ins that one account revokes in the days for which revocations are kept."""

_ID = re.compile(r"si-[0-9a-f]{32}")
_COOKIE = re.compile(r"(si-[0-9a-f]{32})\.([A-Za-z0-9_-]{43})")
_ID_BYTES, _SECRET_BYTES = 16, 32
_PURGED, _PURGED_AT_ONCE = 16, 200
_KEPT = timedelta(hours=1)
_LONGEST_AGENT, _LONGEST_PEER = 256, 64
OF_ACCOUNT, OF_PERSON = "sign-in-of-account", "sign-in-of-person"
_SESSION_BYTES = 1_536
_NO_PROVIDER = "Specified provider doesn't exist"


def is_sign_in_id(text: str) -> bool:
    """Return whether a text has the form of a sign-in's id."""
    return _ID.fullmatch(text) is not None


def new_id(ctx: RequestContext) -> str:
    """Return a new id of a sign-in, which its audit events have too."""
    return f"si-{ctx.entropy(_ID_BYTES).hex()}"


def begin(proof: Proof, found: Identified, peer: str, agent: str, ctx: RequestContext) -> tuple[SignInSession, str]:
    """Store a new session, and return it with the secret for its cookie.

    Raises InvalidIdentityToken if the assertion has begun a session before, SignInOverError if the session at the
    provider has ended, and Throttling if the account has too many sessions.
    """
    require_foreign_issuer(found.issuer, ctx)
    ends = ctx.now + timedelta(minutes=ctx.settings.sign_in_session_minutes)
    if found.ends is not None:
        ends = min(ends, found.ends)
    if ends <= ctx.now:
        raise SignInOverError(f"the session at the provider ended at {found.ends}")
    secret = to_base64url(ctx.entropy(_SECRET_BYTES))
    session = SignInSession(
        id=new_id(ctx),
        kind=proof.kind,
        account=found.account,
        issuer=found.issuer,
        provider=found.provider,
        registration=found.registration,
        subject=found.subject,
        session_name=found.session_name,
        proven_at=ctx.now,
        ends=ends,
        secret_hash=_hash(secret),
        peer=peer[:_LONGEST_PEER],
        agent=agent[:_LONGEST_AGENT],
    )
    with ctx.new_transaction() as writer:
        purge_expired(writer, ctx.now, most=_PURGED)
        if found.saml is not None:
            session = _with_registration(writer, session)
            _use_up(writer, found, ctx)
        _make_room(writer, session)
        records.insert(writer, session)
        records.insert(writer, seal_proof(proof, session.id, ctx.vault))
        for link in _links(session):
            writer.link(link)
    return session, secret


def find_session(session_id: str, ctx: RequestContext) -> SignInSession | None:
    """Return a live session, or None.

    None means that it has ended or expired, or that its provider was removed. Raises WouldBlockError if it is not in
    the cache and waiting is not allowed.
    """
    if not is_sign_in_id(session_id):
        return None
    try:
        found = ctx.views.get(load_known_session, session_id)
    except RecordMissingError:
        return None
    if found.ends <= ctx.now:
        return None
    return found if _is_provider_present(found, ctx) else None


def get_session(session_id: str, ctx: RequestContext) -> SignInSession:
    """Return a live session. Raises SignInOverError if it is not live."""
    found = find_session(session_id, ctx)
    if found is None:
        raise SignInOverError(f"{session_id[:64]!r} is not a live sign-in")
    return found


def find_by_cookie(value: str, ctx: RequestContext) -> SignInSession | None:
    """Return the live session of a cookie "ID.SECRET", or None."""
    match = _COOKIE.fullmatch(value)
    if match is None:
        return None
    found = find_session(match[1], ctx)
    return found if found is not None and hmac.compare_digest(found.secret_hash, _hash(match[2])) else None


def cookie_of(session: SignInSession, secret: str) -> str:
    """Return the value of the cookie of a session."""
    return f"{session.id}.{secret}"


def end_session(writer: Writer, session_id: str) -> None:
    """Delete a session, its proof and its token families, if it exists."""
    session = records.find(writer, SignInSession, "", session_id)
    if session is None:
        return
    for family in list(records.each(writer, TokenFamily, "", prefix=f"{session_id}/")):
        records.delete(writer, family)
    records.delete_if_present(writer, StoredProof, "", session_id)
    records.delete(writer, session)
    for link in _links(session):
        writer.unlink(link.kind, link.source, link.target)


def revoke_session(writer: Writer, session_id: str, now: datetime) -> None:
    """End a session, and all role sessions that grew from it.

    A session that the person has ended before can be revoked too. Raises ValidationError if the id is malformed.
    """
    if not is_sign_in_id(session_id):
        raise ValidationError(f"{session_id[:64]} is not the id of a sign-in")
    end_session(writer, session_id)
    revoke_for_good(writer, session_id, now=int(now.timestamp()))


def revoke_for_account(writer: Writer, session: SignInSession, now: datetime) -> None:
    """Revoke a session for the account that owns its provider.

    Every node reads all revocations with every request, and they are kept for days. So an account has a limited number.
    Raises Throttling beyond it: an operator of the server can still revoke.
    """
    drawn = hashlib.sha256(session.id.encode()).digest()
    places = (int.from_bytes(drawn[at : at + 2]) % MOST_REVOKED for at in range(0, len(drawn), 2))
    name, until = f"revoked-sign-ins:{session.account}", now + REVOCATION_KEPT
    if not any(writer.claim(f"{name}:{place}", until=until) for place in places):
        raise Throttling("Rate exceeded", detail=f"account {session.account} has revoked too many sign-ins")
    revoke_session(writer, session.id, now)


def list_sessions(reader: Reader, account: str | None, after: str, limit: int) -> list[SignInSession]:
    """Return the next sessions after a position, and expired ones with them.

    `account` owns the provider: None lists those of all accounts, by their end, and `after` is then `position`.
    Otherwise they are ordered by id, and `after` is the last id.
    """
    if account is None:
        return records.page(reader, SignInSession, "", after=after, limit=limit)
    links = reader.sources(OF_ACCOUNT, _account_key(account), after=after, limit=limit)
    found = (records.find(reader, SignInSession, "", link.source) for link in links)
    return [session for session in found if session is not None]


def position(session: SignInSession) -> str:
    """Return the position of a session in the list of all accounts."""
    return records.to_record(session).sort


def is_same_person(one: SignInSession, other: SignInSession) -> bool:
    """Return whether two sessions are of the same person.

    The same provider or client identified them. Issuer and subject alone are not enough: every account can register a
    provider for every issuer, with keys of its own.
    """
    return _person_key(one) == _person_key(other)


def list_of_person(reader: Reader, session: SignInSession) -> list[SignInSession]:
    """Return the sessions of the same person, the oldest first."""
    links = reader.sources(OF_PERSON, _person_key(session))
    found = [records.find(reader, SignInSession, "", link.source) for link in links]
    return sorted((each for each in found if each is not None), key=lambda each: (each.proven_at, each.id))


def purge_expired(writer: Writer, now: datetime, *, most: int) -> int:
    """Delete at most `most` sessions that expired an hour ago.

    Returns their number. The clocks of nodes differ, and none may end a session that is live on another.
    """
    expired = _expired(writer, now, most)
    for session in expired:
        end_session(writer, session.id)
    return len(expired)


def purge_store(store: Store, now: datetime) -> None:
    """Delete the sessions that expired an hour ago, in short transactions."""
    while True:
        with store.read() as reader:
            if not _expired(reader, now, 1):
                return
        with store.write() as writer:
            purge_expired(writer, now, most=_PURGED_AT_ONCE)


def _expired(reader: Reader, now: datetime, most: int) -> list[SignInSession]:
    return [each for each in records.page(reader, SignInSession, "", limit=most) if each.ends + _KEPT <= now]


def load_session(reader: Reader, session_id: str) -> SignInSession | None:
    """Return a stored session, or None. It may be over."""
    return records.find(reader, SignInSession, "", session_id)


@measured_by(lambda _: _SESSION_BYTES)
def load_known_session(reader: Reader, session_id: str) -> SignInSession:
    """Return a stored session, for the cache.

    Raises RecordMissingError, which is not cached: invented ids take no room, and a session that another node has just
    begun is found.
    """
    found = load_session(reader, session_id)
    if found is None:
        raise RecordMissingError
    return found


@measured_by(len)
def load_registration(reader: Reader, provider_arn: str) -> str:
    """Return the unique id of a SAML provider, or an empty string."""
    provider = find_provider(reader, provider_arn)
    return "" if provider is None else provider.id


@keeps_little
def load_created(reader: Reader, account: str, name: str) -> datetime | None:
    """Return when an account's OpenID Connect provider was created, or None."""
    provider = records.find(reader, OidcProvider, account, name)
    return None if provider is None else provider.created


def _is_provider_present(session: SignInSession, ctx: RequestContext) -> bool:
    """Return whether the provider and the client of a session still exist.

    A provider or a client that was deleted and created again is another one. For OpenID Connect, one account with a
    provider of the issuer is enough.
    """
    if session.kind == "saml":
        return ctx.views.get(load_registration, session.provider) == session.registration
    client = find_client(session.provider, ctx)
    if client is None or (client.account and not _is_older(find_record(client.key, ctx), session)):
        return False
    first = session.registration.split(":")
    account = first[4] if len(first) > 4 else ""  # noqa: PLR2004 - an ARN has six parts
    if not account or _is_registered(account, session, ctx):
        return True
    accounts = ctx.views.get(load_accounts_with, records.kind_name(OidcProvider))
    return any(_is_registered(each, session, ctx) for each in accounts)


def _is_registered(account: str, session: SignInSession, ctx: RequestContext) -> bool:
    created = ctx.views.get(load_created, account, session.issuer.removeprefix(SCHEME))
    if created is None:
        return find_built_in(session.issuer) is not None
    return created <= session.proven_at


def _is_older(client: OidcSignInClient | None, session: SignInSession) -> bool:
    """Return whether a client was registered before a sign-in."""
    return client is not None and client.created <= session.proven_at


def _with_registration(writer: Writer, session: SignInSession) -> SignInSession:
    provider = find_provider(writer, session.provider)
    if provider is None:
        raise InvalidIdentityToken(_NO_PROVIDER, detail=f"provider {session.provider} does not exist")
    return msgspec.structs.replace(session, registration=provider.id)


def _use_up(writer: Writer, found: Identified, ctx: RequestContext) -> None:
    """Claim the assertion for one session, and for the API if it is valid once."""
    if found.saml is None:
        return
    use_up_assertion(writer, "sign-in", found.saml)
    if found.saml.one_time_use or ctx.settings.saml.one_use:
        use_up_assertion(writer, "saml", found.saml)


def _make_room(writer: Writer, session: SignInSession) -> None:
    if writer.count_sources(OF_ACCOUNT, _account_key(session.account)) >= MOST_OF_ACCOUNT:
        raise Throttling("Rate exceeded", detail=f"account {session.account!r} has too many live sign-ins")
    if writer.count_sources(OF_PERSON, _person_key(session)) >= MOST_OF_PERSON:
        for oldest in list_of_person(writer, session)[: 1 - MOST_OF_PERSON]:
            end_session(writer, oldest.id)


def _links(session: SignInSession) -> tuple[Link, Link]:
    return (
        Link(OF_ACCOUNT, session.id, _account_key(session.account)),
        Link(OF_PERSON, session.id, _person_key(session)),
    )


def _account_key(account: str) -> str:
    return account or "settings"


def _person_key(session: SignInSession) -> str:
    # Names of other systems may be longer than a key of the store. A JSON list is unambiguous.
    name = msgspec.json.encode((session.account, session.issuer, session.provider, session.subject))
    return hashlib.sha256(name).hexdigest()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
