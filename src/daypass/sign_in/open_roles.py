"""The roles that are open to a signed-in person now.

Owns the list for pages and for AWS's clients. Each role's trust policy is evaluated anew, as of this request. Leaves
the credentials to take_role.py: the list may have fewer roles than a person could take, never more.
"""

from collections.abc import Iterator
from itertools import islice

import msgspec

from daypass.authorize.authorize import authorize
from daypass.authorize.context import RequestInfo
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import AccessDenied, Fault
from daypass.mint.durations import HOUR
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_with_saml import AssumeRoleWithSAMLParams
from daypass.operations.sts.assume_role_with_web_identity import WebIdentityRoleParams, bearer_of
from daypass.operations.sts.role_session import find_role, read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies
from daypass.sign_in.oidc_roles import choose_candidates, find_candidates, find_identities
from daypass.sign_in.proofs import named_roles, saml_identity, web_identity
from daypass.sign_in.sessions import get_session
from daypass.sign_in.signed_in_operations import (
    NO_TOKEN,
    SignedInSamlRequest,
    SignedInTokenRequest,
    SignedInWithOidc,
    SignedInWithSaml,
    chain_of,
    signed_in_caller,
)

MOST_PROVIDERS = 50
"""The largest number of providers in one assertion whose roles are listed."""

_WITH_SAML, _WITH_OIDC = SignedInWithSaml(), SignedInWithOidc()


class OpenRole(msgspec.Struct, frozen=True):
    """A role that the person can take now.

    `longest` is the longest session in seconds, without regard to the end of the sign-in.
    """

    arn: str
    provider_arn: str
    account: str
    name: str
    description: str
    longest: int


def open_roles(session: SignInSession, request_info: RequestInfo, ctx: RequestContext) -> tuple[OpenRole, ...]:
    """Return the roles that a person can take now, in the order of the proof.

    The roles of an ID token are ordered by ARN. Raises KeysNeededError if an issuer's keys have to be fetched first,
    and SignInOverError if the session has ended.
    """
    live = get_session(session.id, ctx)
    found = _of_saml(live, request_info, ctx) if live.kind == "saml" else _of_oidc(live, request_info, ctx)
    return tuple(found)


def is_open(
    session: SignInSession, role_arn: str, provider_arn: str, request_info: RequestInfo, ctx: RequestContext
) -> bool:
    """Return whether a role is open to the person of a SAML session."""
    identity = saml_identity(session, provider_arn, ctx)
    caller = signed_in_caller(session, identity)
    params = SignedInSamlRequest(
        read_role_arn(role_arn),
        AssumeRoleWithSAMLParams(role_arn, provider_arn, ""),
        SessionPolicies(),
        session=session,
    )
    try:
        authorize(_WITH_SAML, params, caller, request_info, ctx)
    except AccessDenied:
        return False
    return True


def _of_saml(session: SignInSession, request_info: RequestInfo, ctx: RequestContext) -> Iterator[OpenRole]:
    identity = saml_identity(session, session.provider, ctx)
    providers = dict.fromkeys(pair.provider for pair in identity.roles)
    verified = {arn for arn in islice(providers, MOST_PROVIDERS) if _is_verified(session, arn, ctx)}
    for pair in dict.fromkeys(identity.roles):
        if pair.provider in verified and is_open(session, pair.role, pair.provider, request_info, ctx):
            yield _open_role(pair.role, pair.provider, ctx, asserted=identity.session_duration)


def _is_verified(session: SignInSession, provider_arn: str, ctx: RequestContext) -> bool:
    try:
        saml_identity(session, provider_arn, ctx)
    except Fault:
        return False  # The provider of another account may have stricter rules, or does not exist.
    return True


def _of_oidc(session: SignInSession, request_info: RequestInfo, ctx: RequestContext) -> list[OpenRole]:
    by_account = find_candidates(session.issuer, named_roles(session, ctx), ctx)
    identities, _ = find_identities(by_account, lambda account: web_identity(session, account, ctx))
    found = []
    for candidate in choose_candidates(by_account, identities):
        web = identities[candidate.arn.split(":")[4]]
        params = SignedInTokenRequest(
            read_role_arn(candidate.arn),
            WebIdentityRoleParams(candidate.arn, session.session_name),
            SessionPolicies(),
            NO_TOKEN,
            session=session,
        )
        try:
            bearer = bearer_of(web, candidate.arn, chain_of(session))
            authorize(_WITH_OIDC, params, bearer, request_info, ctx)
        except Fault:
            continue
        found.append(_open_role(candidate.arn, web.provider_arn, ctx))
    return sorted(found, key=lambda role: role.arn)


def _open_role(arn: str, provider_arn: str, ctx: RequestContext, *, asserted: int | None = None) -> OpenRole:
    name = read_role_arn(arn)
    role = find_role(name, ctx)
    longest = HOUR if role is None else role.max_session_seconds
    return OpenRole(
        arn=arn,
        provider_arn=provider_arn,
        account=name.account,
        name=name.name,
        description="" if role is None else role.description,
        longest=longest if asserted is None else min(longest, asserted),
    )
