"""The roles that an ID token can assume.

Owns the search for roles that could trust the issuer, in every account, and the evaluation of each trust policy before
the page offers the role. Leaves the credentials to AssumeRoleWithWebIdentity, which every choice calls: the page may
offer fewer roles than it would grant, never more.

Any tenant can name an issuer in a trust policy. Therefore:

* The roles of each account are loaded separately, and only if the account trusts the issuer.
* A token is verified once for each account, not for each role.
* If there are more roles than the limit, accounts take turns, in an order that is random for each sign-in.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

from daypass.authorize.authorize import authorize
from daypass.authorize.context import RequestInfo
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.directory.identity import load_accounts_with
from daypass.directory.loader_marks import keeps_little
from daypass.directory.store import Reader
from daypass.errors import AccessDenied, Fault
from daypass.federation.oidc.claims import ROLES_CLAIM, WebIdentity
from daypass.federation.oidc.identify import KeysNeededError
from daypass.federation.oidc.issuers.known_issuers import Issuers, find_terms, load_issuers
from daypass.federation.oidc.provider import SCHEME, ProviderTerms
from daypass.federation.oidc.token import UnverifiedToken, read_token
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_with_web_identity import (
    AssumeRoleWithWebIdentity,
    AssumeRoleWithWebIdentityRequest,
    Bearer,
    WebIdentityRoleParams,
    bearer_of,
    identify_for,
)
from daypass.operations.sts.role_session import read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies

_OPERATION = AssumeRoleWithWebIdentity()
_MOST_EVALUATED = 10_000
_MOST_FETCHED = 64
_SEED_BYTES = 16
_SHORTEST, _LONGEST = 2, 64
_NOT_IN_NAMES = re.compile(r"[^\w+=,.@-]", re.ASCII)
_NAMING_CLAIMS = ("email", "preferred_username", "upn", "sub")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A role whose trust policy contains the name of the issuer."""

    arn: str
    longest: int


@dataclass(frozen=True, slots=True)
class WebOffer:
    """The signed-in person, and each possible role with its provider."""

    bearer: Bearer
    roles: tuple[tuple[Candidate, str], ...]


@keeps_little
def load_candidates(reader: Reader, account: str, issuer: str) -> tuple[Candidate, ...]:
    """Return the roles of an account whose trust policies name an issuer.

    The policies are evaluated later.
    """
    name = issuer.removeprefix(SCHEME)
    roles = records.each(reader, Role, account)
    return tuple(
        Candidate(role.arn, role.max_session_seconds) for role in roles if name in role.trust.replace("\\/", "/")
    )


def offer_roles(
    unverified: UnverifiedToken, name: str, request_info: RequestInfo, ctx: RequestContext, *, wanted: str = ""
) -> WebOffer:
    """Return the roles that a token can assume.

    A `wanted` role is tried first.

    Raises KeysNeededError, or the Fault of STS if the token cannot assume any role.
    """
    by_account = find_candidates(unverified.unverified_issuer, unverified.unverified_claims.get(ROLES_CLAIM), ctx)
    identities, refusal = find_identities(by_account, lambda account: identify_for(account, unverified, ctx))
    bearer: Bearer | None = None
    opened: list[tuple[Candidate, str]] = []
    for candidate in choose_candidates(by_account, identities, wanted=wanted):
        web = identities.get(candidate.arn.split(":")[4])
        try:
            if web is not None:
                bearer = _evaluate(candidate.arn, web, unverified, name, request_info, ctx)
                opened.append((candidate, bearer.web.provider_arn))
        except Fault as fault:
            refusal = refusal or fault
    if bearer is None or not opened:
        raise refusal or AccessDenied("No role trusts this identity provider.")
    return WebOffer(bearer, tuple(opened))


def choose_candidates(
    by_account: Mapping[str, tuple[Candidate, ...]], identities: Iterable[str], *, wanted: str = ""
) -> Iterable[Candidate]:
    """Return the candidates to evaluate.

    The accounts with an identity take turns. A `wanted` role comes first.
    """
    in_turns = _in_turns([by_account[account] for account in identities])
    first = (each for candidates in by_account.values() for each in candidates if each.arn == wanted)
    return dict.fromkeys((*islice(first, 1), *islice(in_turns, _MOST_EVALUATED)))


def find_candidates(issuer: str, named: object, ctx: RequestContext) -> dict[str, tuple[Candidate, ...]]:
    """Return the candidates of each account that trusts the issuer.

    `named` is the token's list of roles, if it has one. The order is random, so that tenants cannot influence it.
    """
    seed, found = ctx.entropy(_SEED_BYTES), dict[str, tuple[Candidate, ...]]()
    registering = frozenset(ctx.views.get(load_accounts_with, records.kind_name(OidcProvider)))
    for account in ctx.views.get(load_accounts_with, records.kind_name(Role)):
        own: Issuers = ctx.views.get(load_issuers, account) if account in registering else {}
        if find_terms(own, issuer) is None:
            continue
        candidates = ctx.views.get(load_candidates, account, issuer)
        if isinstance(named, list | tuple):
            candidates = tuple(each for each in candidates if each.arn in named)
        if candidates:
            found[account] = candidates
    drawn = sorted(found, key=lambda account: hashlib.sha256(seed + account.encode()).digest())
    return {account: found[account] for account in drawn}


def find_identities(
    accounts: Iterable[str], identify: Callable[[str], WebIdentity]
) -> tuple[dict[str, WebIdentity], Fault | None]:
    """Return the identity for each account that accepts the token.

    Returns the first refusal too.

    Raises KeysNeededError with all providers that lack keys, so that they are fetched together.
    """
    found: dict[str, WebIdentity] = {}
    refusal: Fault | None = None
    needed: list[ProviderTerms] = []
    for account in accounts:
        try:
            found[account] = identify(account)
        except KeysNeededError as missing:
            needed.append(missing.provider)
        except Fault as fault:
            refusal = refusal or fault
    if needed:
        raise KeysNeededError(*needed[:_MOST_FETCHED])
    return found, refusal


def _in_turns(every: list[tuple[Candidate, ...]]) -> Iterator[Candidate]:
    """Yield the first role of each account, then the second of each, and so on."""
    for turn in zip_longest(*every):
        yield from (each for each in turn if each is not None)


def _evaluate(
    arn: str, web: WebIdentity, unverified: UnverifiedToken, name: str, request_info: RequestInfo, ctx: RequestContext
) -> Bearer:
    """Return the caller for one role. Raises the refusal of its trust policy."""
    bearer = bearer_of(web, arn)
    params = AssumeRoleWithWebIdentityRequest(
        read_role_arn(arn), WebIdentityRoleParams(arn, name), SessionPolicies(), unverified
    )
    authorize(_OPERATION, params, bearer, request_info, ctx)
    return bearer


def verify_token(unverified_token: str, role: str, name: str, ctx: RequestContext) -> Bearer:
    """Return the verified caller of a token for one role.

    Raises KeysNeededError if the keys of its issuer must be fetched first.
    """
    params = AssumeRoleWithWebIdentityRequest(
        read_role_arn(role), WebIdentityRoleParams(role, name), SessionPolicies(), read_token(unverified_token)
    )
    return _OPERATION.verify_identity(params, None, ctx)


def session_name(claims: Mapping[str, Any]) -> str:
    """Return a session name for a token. Decisions do not depend on it."""
    for claim in _NAMING_CLAIMS:
        given = claims.get(claim)
        name = _NOT_IN_NAMES.sub("-", given)[:_LONGEST] if isinstance(given, str) else ""
        if len(name) >= _SHORTEST:
            return name
    return "web-identity"
