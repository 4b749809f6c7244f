"""Which roles an ID token may take, when somebody signs in with it.

Owns finding the roles that could trust its issuer, in every account, and asking each trust policy before a role is
offered. Nothing is minted here: whoever chooses a role goes through AssumeRoleWithWebIdentity like everybody else, so
that the offer can only be shorter than what would be granted, never longer.

Any tenant may write an issuer into the trust policies of its roles. Hence:

* The roles of each account are found by themselves, and only where the account believes the issuer.
* A token is verified once for an account, however many roles the account has.
* Where there are more roles than are asked, accounts take turns, in an order that is drawn anew for each sign-in.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

from daypass.authorize.authorize import authorize
from daypass.authorize.context import Surroundings
from daypass.directory import records
from daypass.directory.entities import Role
from daypass.directory.identity import load_accounts_with
from daypass.directory.oidc_entities import OidcProvider
from daypass.directory.store import Reader, keeps_little
from daypass.errors import AccessDenied, Fault
from daypass.federation.oidc.claims import ROLES_CLAIM, WebIdentity
from daypass.federation.oidc.identify import KeysNeeded
from daypass.federation.oidc.known_issuers import Issuers, find_terms, load_issuers
from daypass.federation.oidc.provider import SCHEME, ProviderTerms
from daypass.federation.oidc.token import UnverifiedToken, read_token
from daypass.operations.sts.assume_role_with_web_identity import (
    Asked,
    AskedRole,
    AssumeRoleWithWebIdentity,
    Bearer,
    bearer_of,
    identify_for,
)
from daypass.operations.sts.role_session import read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies
from daypass.operations.world import World

_OPERATION = AssumeRoleWithWebIdentity()
_MOST_ASKED = 10_000
_MOST_FETCHED = 64
_SEED_BYTES = 16
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


@keeps_little
def load_candidates(reader: Reader, account: str, issuer: str) -> tuple[Candidate, ...]:
    """Return the roles of an account whose trust policies name an issuer. What they say of it is asked later."""
    name = issuer.removeprefix(SCHEME)
    roles = records.each(reader, Role, account)
    return tuple(
        Candidate(role.arn, role.max_session_seconds) for role in roles if name in role.trust.replace("\\/", "/")
    )


def offer_roles(
    unverified: UnverifiedToken, name: str, around: Surroundings, world: World, *, wanted: str = ""
) -> WebOffer:
    """Return what a token may take. A `wanted` role is asked before all others.

    Raises KeysNeeded, or the Fault that STS would answer with where it may nothing.
    """
    by_account = _worth_asking(unverified, world)
    identities, refusal = _identities(by_account, unverified, world)
    bearer: Bearer | None = None
    opened: list[tuple[Candidate, str]] = []
    in_turns = _in_turns([by_account[account] for account in identities])
    first = (each for candidates in by_account.values() for each in candidates if each.arn == wanted)
    asked = dict.fromkeys((*islice(first, 1), *islice(in_turns, _MOST_ASKED)))
    for candidate in asked:
        web = identities.get(candidate.arn.split(":")[4])
        try:
            if web is not None:
                bearer = _ask(candidate.arn, web, unverified, name, around, world)
                opened.append((candidate, bearer.web.provider_arn))
        except Fault as fault:
            refusal = refusal or fault
    if bearer is None or not opened:
        raise refusal or AccessDenied("No role trusts this identity provider.")
    return WebOffer(bearer, tuple(opened))


def _worth_asking(unverified: UnverifiedToken, world: World) -> dict[str, tuple[Candidate, ...]]:
    """Return the candidates of each account that believes the issuer, in an order that no tenant has a hand in."""
    issuer, named = unverified.unverified_issuer, unverified.unverified_claims.get(ROLES_CLAIM)
    seed, found = world.entropy(_SEED_BYTES), dict[str, tuple[Candidate, ...]]()
    registering = frozenset(world.views.get(load_accounts_with, records.kind_name(OidcProvider)))
    for account in world.views.get(load_accounts_with, records.kind_name(Role)):
        own: Issuers = world.views.get(load_issuers, account) if account in registering else {}
        if find_terms(own, issuer) is None:
            continue
        candidates = world.views.get(load_candidates, account, issuer)
        if isinstance(named, list):
            candidates = tuple(each for each in candidates if each.arn in named)
        if candidates:
            found[account] = candidates
    drawn = sorted(found, key=lambda account: hashlib.sha256(seed + account.encode()).digest())
    return {account: found[account] for account in drawn}


def _identities(
    accounts: Mapping[str, object], unverified: UnverifiedToken, world: World
) -> tuple[dict[str, WebIdentity], Fault | None]:
    """Return whom the token speaks for to each account that takes it, and the first refusal of another.

    Raises KeysNeeded for all accounts that lack keys, so that one account's do not wait for another's.
    """
    found: dict[str, WebIdentity] = {}
    refusal: Fault | None = None
    needed: list[ProviderTerms] = []
    for account in accounts:
        try:
            found[account] = identify_for(account, unverified, world)
        except KeysNeeded as missing:
            needed.append(missing.provider)
        except Fault as fault:
            refusal = refusal or fault
    if needed:
        raise KeysNeeded(*needed[:_MOST_FETCHED])
    return found, refusal


def _in_turns(every: list[tuple[Candidate, ...]]) -> Iterator[Candidate]:
    """Yield the first role of each account, then the second of each, and so on."""
    for turn in zip_longest(*every):
        yield from (each for each in turn if each is not None)


def _ask(
    arn: str, web: WebIdentity, unverified: UnverifiedToken, name: str, around: Surroundings, world: World
) -> Bearer:
    """Return whom the token speaks for to one role that lets it in, or raise the refusal."""
    bearer = bearer_of(web, arn)
    asked = Asked(read_role_arn(arn), AskedRole(arn, name), SessionPolicies(), unverified)
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
