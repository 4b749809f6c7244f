"""The proof of a sign-in session, evaluated again for each role.

Owns the sealed proof, and the identity that it proves now:

* The proof was verified at the sign-in, and its rules on age apply to that instant. All other rules are those of today:
  the registered provider, its keys, its client ids and this server's addresses.
* A SAML response is verified with the keys in the provider's present metadata.
* An ID token is verified with the provider's pinned keys or, if thumbprints are enforced, with the keys that were
  fetched under them. In all other cases it is verified with the issuer's key that verified it at the sign-in.
* The key of an issuer is kept only if it was fetched from the issuer. A pinned key counts for its own account alone:
  otherwise a tenant could sign tokens for every account that trusts the issuer.

Identities are cached until the session, its proof or the provider changes, so that a repeated role costs no signature.
Decision: docs/decisions/0020-sign-ins-that-last.md.
"""

import sys
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec

from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.entities.sign_in_entities import SignInSession, StoredProof
from daypass.directory.loader_marks import charged_to, measured_by
from daypass.directory.outbound import issuer_url
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader
from daypass.errors import ExpiredTokenException, Fault, InvalidIdentityToken
from daypass.federation.oidc.claims import ROLES_CLAIM, WebIdentity
from daypass.federation.oidc.identify import KeysAtHand, KeysNeededError, identify
from daypass.federation.oidc.issuers.known_issuers import find_terms, load_issuers, terms_of
from daypass.federation.oidc.keys import KeySet, parse_jwks
from daypass.federation.oidc.provider import SCHEME, NeedsFetch, ProviderTerms, find_built_in, refuse_unknown_issuer
from daypass.federation.oidc.token import UnverifiedToken, read_token
from daypass.federation.saml.attributes import RolePair
from daypass.federation.saml.identity import SamlIdentity
from daypass.federation.saml.identity import identify as identify_saml
from daypass.federation.saml.settings import SamlSettings
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_trust import load_trust

OVER = "This sign-in has expired or was ended. Sign in again."
_NO_PROVIDER = "Specified provider doesn't exist"
_OBJECT_BYTES = 2_048  # an identity without the parts of variable length
_TEXT_BYTES = 128  # a string without its characters, and its part of a pair


class SignInOverError(ExpiredTokenException):
    """The sign-in session is not live any more.

    It has expired or was ended, or its provider was removed.
    """

    def __init__(self, detail: str = "") -> None:
        super().__init__(OVER, detail=detail)


class Proof(msgspec.Struct, frozen=True, omit_defaults=True):
    """A verified SAML response or ID token.

    `keys` is a JWK Set with the issuer's key that verified the token, or empty.
    """

    kind: Literal["saml", "oidc"]
    text: str
    keys: str = ""

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class Identified:
    """The person that a proof identifies.

    - `account` and `provider` are those of SignInSession. `registration` is needed for a token only.
    - `ends` is the end of the session at the provider, if it has one.
    - `saml` is the identity in an assertion, which begins one session at most.
    """

    account: str
    issuer: str
    provider: str
    subject: str
    session_name: str
    registration: str = ""
    ends: datetime | None = None
    saml: SamlIdentity | None = None


def saml_proof(unverified_response: str) -> Proof:
    """Return the proof of a verified SAML response."""
    return Proof("saml", unverified_response)


def token_proof(unverified: UnverifiedToken, text: str, ctx: RequestContext) -> Proof:
    """Return the proof of a verified ID token, with the issuer's key."""
    return Proof("oidc", text, _issuer_key(unverified, ctx.issuer_keys, ctx.now))


def identified_by_saml(identity: SamlIdentity) -> Identified:
    """Return the person in a verified assertion."""
    return Identified(
        account=identity.provider.split(":")[4],
        issuer=identity.issuer,
        provider=identity.provider,
        subject=identity.subject,
        session_name=identity.session_name,
        ends=identity.session_ends,
        saml=identity,
    )


def identified_by_token(web: WebIdentity, session_name: str, *, client_key: str, account: str = "") -> Identified:
    """Return the person in a verified ID token.

    `account` owns the client, or is empty for one from the settings.
    """
    return Identified(
        account=account,
        issuer=web.issuer,
        provider=client_key,
        subject=web.subject,
        session_name=session_name,
        registration=web.provider_arn,
    )


def seal_proof(proof: Proof, session_id: str, vault: SecretBox) -> StoredProof:
    """Return the sealed proof of a session."""
    empty = StoredProof(id=session_id, sealed=b"")
    return StoredProof(id=session_id, sealed=vault.encrypt(_encode(proof), bound_to=empty.proof_name))


def saml_identity(session: SignInSession, provider_arn: str, ctx: RequestContext) -> SamlIdentity:
    """Return the identity in a session's response, as a provider verifies it.

    It ends with the sign-in. Raises the Fault of STS if the provider refuses it.
    """
    rules = (ctx.settings.for_saml(), ctx.settings.saml.allow_sha1)
    account = provider_arn.split(":")[4]
    found = ctx.views.get(load_saml_identity, account, session.id, provider_arn, ctx.vault, rules)
    if isinstance(found, Fault):
        raise copy(found)
    return found


def web_identity(session: SignInSession, account: str, ctx: RequestContext) -> WebIdentity:
    """Return the identity in a session's token for an account.

    Raises KeysNeededError if the issuer's keys have to be fetched first, and the Fault of STS if the token is refused.
    """
    enforces = ctx.issuer_keys.enforces_thumbprints
    found = None if enforces else ctx.views.get(load_web_identity, account, session.id, ctx.vault)
    if isinstance(found, Fault):
        raise copy(found)
    return _identify_with_fetched_keys(session, account, ctx) if found is None else found


def named_roles(session: SignInSession, ctx: RequestContext) -> object:
    """Return the value of the token's claim of roles, or None."""
    return ctx.views.get(load_named_roles, session.id, ctx.vault)


def identity_bytes(found: SamlIdentity | WebIdentity | Fault | None) -> int:
    """Return the memory that an identity takes, in bytes."""
    if found is None or isinstance(found, Fault):
        return _OBJECT_BYTES
    if isinstance(found, SamlIdentity):
        values, roles = found.conditions.values(), [pair.role for pair in found.roles]
    else:
        values, roles = found.condition_keys.values(), list(found.roles or ())
    conditions = [text for value in values for text in ([value] if isinstance(value, str) else value)]
    propagated = () if found.propagated is None else found.propagated.condition_keys.values()
    texts = [*roles, *conditions, *propagated, *(text for tag in found.tags for text in tag)]
    return _OBJECT_BYTES + sum(_TEXT_BYTES + len(text) for text in texts)


def _names_bytes(found: object) -> int:
    names = found if isinstance(found, tuple) else ()
    return _TEXT_BYTES + sum(_TEXT_BYTES + len(name) for name in names)


@measured_by(identity_bytes)
@charged_to(0)
def load_saml_identity(
    reader: Reader,
    account: str,  # noqa: ARG001 - the cache reads it
    session_id: str,
    provider_arn: str,
    vault: SecretBox,
    rules: tuple[SamlSettings, bool],
) -> SamlIdentity | Fault:
    """Return the identity in a session's response as a provider verifies it.

    Its session ends with the sign-in. A refusal is a value, so that it is cached too. `rules` are those of the
    operator, and whether SHA-1 is allowed.
    """
    settings, allow_sha1 = rules
    session, proof = _read_proof(reader, session_id, vault)
    trust = load_trust(reader, provider_arn, vault)
    if trust is None:
        return InvalidIdentityToken(_NO_PROVIDER, detail=f"provider {provider_arn} does not exist")
    if allow_sha1:
        trust = replace(trust, allow_sha1=True)
    try:
        identity = identify_saml(proof.text, trust=trust, settings=settings, now=session.proven_at)
    except Fault as fault:
        return fault.with_traceback(None)
    shared = {pair.provider: pair.provider for pair in identity.roles}
    # Colleagues have the same roles: their names are in memory once.
    roles = tuple(RolePair(sys.intern(pair.role), shared[pair.provider]) for pair in identity.roles)
    return msgspec.structs.replace(identity, roles=roles, session_ends=session.ends, one_time_use=False)


@measured_by(_names_bytes)
def load_named_roles(reader: Reader, session_id: str, vault: SecretBox) -> tuple[str, ...] | None:
    """Return the roles that a session's token names.

    Returns None if it does not restrict them. The claim itself is verified with the token, for each account.
    """
    named = _read_token_of(reader, session_id, vault).unverified_claims.get(ROLES_CLAIM)
    return tuple(map(str, named)) if isinstance(named, list) else None


@measured_by(identity_bytes)
@charged_to(0)
def load_web_identity(reader: Reader, account: str, session_id: str, vault: SecretBox) -> WebIdentity | Fault | None:
    """Return the identity in a session's token under an account's terms.

    It uses pinned keys, or the kept one. Returns None if there are neither, so that keys have to be fetched. A refusal
    is a value, so that it is cached too.
    """
    session, proof = _read_proof(reader, session_id, vault)
    registered = records.find(reader, OidcProvider, account, session.issuer.removeprefix(SCHEME))
    terms = find_built_in(session.issuer) if registered is None else terms_of(registered)
    if terms is None:
        return refuse_unknown_issuer(session.issuer)
    keys = terms.pinned or (parse_jwks(proof.keys.encode()) if proof.keys else None)
    if keys is None:
        return None
    try:
        found = identify(read_token(proof.text), provider=terms, keys=_FixedKeys(keys), now=session.proven_at)
    except Fault as fault:
        return fault.with_traceback(None)
    if isinstance(found, NeedsFetch):
        raise TypeError("fixed keys are never fetched")
    return found


def _identify_with_fetched_keys(session: SignInSession, account: str, ctx: RequestContext) -> WebIdentity:
    terms = find_terms(ctx.views.get(load_issuers, account), session.issuer)
    if terms is None:
        raise refuse_unknown_issuer(session.issuer)
    with ctx.snapshot() as reader:
        token = _read_token_of(reader, session.id, ctx.vault)
    keys = _FetchedKeys(ctx.issuer_keys, ctx.now)
    found = identify(token, provider=terms, keys=keys, now=session.proven_at)
    if isinstance(found, NeedsFetch):
        raise KeysNeededError(found.provider)
    return found


@dataclass(frozen=True, slots=True)
class _FixedKeys:
    """Keys that are never fetched."""

    keys: KeySet

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet:  # noqa: ARG002 - a promise
        return self.keys

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:  # noqa: ARG002 - a promise
        return False

    @property
    def enforces_thumbprints(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class _FetchedKeys:
    """The keys of today, for a token that is verified as of its sign-in."""

    source: KeysAtHand
    now: datetime

    def cached_keys(self, provider: ProviderTerms, now: datetime) -> KeySet | NeedsFetch:  # noqa: ARG002 - the sign-in's
        return self.source.cached_keys(provider, self.now)

    def may_look_again(self, provider: ProviderTerms, now: datetime) -> bool:  # noqa: ARG002 - the sign-in's
        return self.source.may_look_again(provider, self.now)

    @property
    def enforces_thumbprints(self) -> bool:
        return self.source.enforces_thumbprints


def _read_proof(reader: Reader, session_id: str, vault: SecretBox) -> tuple[SignInSession, Proof]:
    session = records.find(reader, SignInSession, "", session_id)
    stored = records.find(reader, StoredProof, "", session_id)
    if session is None or stored is None:
        raise SignInOverError("its record was deleted")
    return session, _decode(vault.decrypt(stored.sealed, bound_to=stored.proof_name))


def _read_token_of(reader: Reader, session_id: str, vault: SecretBox) -> UnverifiedToken:
    return read_token(_read_proof(reader, session_id, vault)[1].text)


def _issuer_key(unverified: UnverifiedToken, source: KeysAtHand, now: datetime) -> str:
    """Return the fetched key that verifies a token as a JWK Set, or "".

    Pinned keys and keys under thumbprints are not read: they count for one account.
    """
    if source.enforces_thumbprints:
        return ""
    issuer = unverified.unverified_issuer
    terms = ProviderTerms(arn=issuer.removeprefix(SCHEME), issuer=issuer, client_ids=frozenset())
    try:
        keys = source.cached_keys(terms, now)
    except Fault:
        return ""
    if isinstance(keys, NeedsFetch):
        return ""
    key = keys.find(unverified.kid, unverified.algorithm)
    if key is None or not key.is_signed(unverified.algorithm, unverified.signing_input, unverified.signature):
        return ""
    return msgspec.json.encode({"keys": [key.to_jwk(unverified.algorithm)]}).decode()


def require_foreign_issuer(issuer: str, ctx: RequestContext) -> None:
    """Refuse a token of this server: the keys behind it would be lost.

    Raises InvalidIdentityToken.
    """
    if issuer.startswith(issuer_url(ctx.settings.public_url, "")):
        raise InvalidIdentityToken("A token of this server cannot begin a sign-in.", detail="our own issuer")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Proof).decode
