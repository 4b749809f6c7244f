"""Which roles an ID token may take, when somebody signs in with it.

Owns finding the roles that could trust its issuer, in every account, and asking each trust policy before a role is
offered. Nothing is minted here: whoever chooses a role goes through AssumeRoleWithWebIdentity like everybody else, so
that the offer can only be shorter than what would be granted, never longer.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daypass.authorize.authorize import authorize
from daypass.authorize.context import Surroundings
from daypass.directory import records
from daypass.directory.entities import Account, Role
from daypass.directory.store import Reader
from daypass.errors import AccessDenied, Fault
from daypass.federation.oidc.claims import ROLES_CLAIM
from daypass.federation.oidc.identify import KeysNeeded
from daypass.federation.oidc.provider import SCHEME
from daypass.federation.oidc.token import UnverifiedToken, read_token
from daypass.operations.sts.assume_role_with_web_identity import Asked, AskedRole, AssumeRoleWithWebIdentity, Bearer
from daypass.operations.sts.role_session import read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies
from daypass.operations.world import World

_OPERATION = AssumeRoleWithWebIdentity()
_BATCH = 200
_MOST_TRIED = 10_000
_SHORTEST, _LONGEST = 2, 64
_NOT_IN_NAMES = re.compile(r"[^\w+=,.@-]", re.ASCII)
_NAMING_CLAIMS = ("email", "preferred_username", "upn", "sub")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A role that names the issuer somewhere in its trust policy."""

    arn: str
    longest: int


@dataclass(frozen=True, slots=True)
class WebOffer:
    """Who signed in, and the roles that are open to them with the provider through which each is."""

    bearer: Bearer
    roles: tuple[tuple[Candidate, str], ...]


def load_candidates(reader: Reader, issuer: str) -> tuple[Candidate, ...]:
    """Return the roles of all accounts whose trust policies name an issuer. What they say of it is asked later."""
    name, found = issuer.removeprefix(SCHEME), list[Candidate]()
    accounts, after = records.kind_name(Account), ""
    while page := reader.page(accounts, "", after=after, limit=_BATCH):
        for record in page:
            found += _candidates(reader, record.key, name)
        after = page[-1].sort
    return tuple(found)


def _candidates(reader: Reader, account: str, name: str) -> list[Candidate]:
    found, kind, after = list[Candidate](), records.kind_name(Role), ""
    while page := reader.page(kind, account, after=after, limit=_BATCH):
        for record in page:
            role = records.to_entity(Role, record)
            if name in role.trust.replace("\\/", "/"):
                found.append(Candidate(role.arn, role.max_session_seconds))
        after = page[-1].sort
    return found


def offer_roles(unverified: UnverifiedToken, name: str, around: Surroundings, world: World) -> WebOffer:
    """Return what a token may take. Raises KeysNeeded, or the Fault that STS would answer with where it may nothing."""
    refusal: Fault | None = None
    bearer: Bearer | None = None
    opened: list[tuple[Candidate, str]] = []
    for candidate in _worth_asking(unverified, world):
        try:
            bearer = _ask(candidate.arn, unverified, name, around, world)
            opened.append((candidate, bearer.web.provider_arn))
        except KeysNeeded:
            raise
        except Fault as fault:
            refusal = refusal or fault
    if bearer is None or not opened:
        raise refusal or AccessDenied("No role trusts this identity provider.")
    return WebOffer(bearer, tuple(opened))


def _worth_asking(unverified: UnverifiedToken, world: World) -> list[Candidate]:
    candidates = world.views.get(load_candidates, unverified.unverified_issuer)
    named = unverified.unverified_claims.get(ROLES_CLAIM)
    if isinstance(named, list):
        candidates = tuple(each for each in candidates if each.arn in named)
    return list(candidates[:_MOST_TRIED])


def _ask(arn: str, unverified: UnverifiedToken, name: str, around: Surroundings, world: World) -> Bearer:
    """Return whom the token speaks for to one role that lets it in, or raise the refusal."""
    asked = Asked(read_role_arn(arn), AskedRole(arn, name), SessionPolicies(), unverified)
    bearer = _OPERATION.prove(asked, None, world)
    authorize(_OPERATION, asked, bearer, around, world)
    return bearer


def prove_token(unverified_token: str, role: str, name: str, world: World) -> Bearer:
    """Return whom a token speaks for to one role. Raises KeysNeeded where its issuer has to be asked first."""
    asked = Asked(read_role_arn(role), AskedRole(role, name), SessionPolicies(), read_token(unverified_token))
    return _OPERATION.prove(asked, None, world)


def session_name(claims: Mapping[str, Any]) -> str:
    """Return a name for the session of whoever a token speaks for: nothing is decided by it."""
    for claim in _NAMING_CLAIMS:
        given = claims.get(claim)
        name = _NOT_IN_NAMES.sub("-", given)[:_LONGEST] if isinstance(given, str) else ""
        if len(name) >= _SHORTEST:
            return name
    return "web-identity"
