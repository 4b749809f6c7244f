"""The roles that a SAML response can assume.

Owns the search for a registered provider that verifies the response, among all providers of its issuer, and the
evaluation of each role's trust policy before the page offers the role. Leaves the credentials to AssumeRoleWithSAML,
which every choice calls: the page may offer fewer roles than it would grant, never more.

Any tenant can register a provider for any entity ID. Therefore:

* The providers that the response names are tried first, in its order. The author of the response affects only its own
  sign-in.
* Then the other providers of the entity ID are tried. Accounts take turns, in an order that is random for each
  response. The registrations of one tenant do not take turns from another account.
* A provider costs a full verification only if its keys match the response (federation/saml/candidates.py), and
  providers with the same verification are verified once. All of these steps have limits.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest

from daypass.authorize.authorize import authorize
from daypass.authorize.context import RequestInfo
from daypass.directory.saml_providers import load_providers_of, provider_name
from daypass.errors import AccessDenied, Fault, InvalidIdentityToken
from daypass.federation.saml.attributes import RolePair
from daypass.federation.saml.candidates import BudgetSpentError, Candidates, read_candidates
from daypass.federation.saml.identity import SamlIdentity, identify_verified
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.verify import (
    VerifiedAssertion,
    decode_response,
    find_unverified_issuers,
    verify_response,
)
from daypass.operations.request_context import RequestContext
from daypass.operations.saml_trust import find_trust
from daypass.operations.sts.assume_role_with_saml import (
    AssumeRoleWithSAML,
    AssumeRoleWithSAMLParams,
    AssumeRoleWithSAMLRequest,
    saml_caller,
)
from daypass.operations.sts.role_session import read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies

_OPERATION = AssumeRoleWithSAML()
MOST_VERIFIED = 50
"""The largest number of verifications for one response. Providers with the same verification count once."""
MOST_COMPARED = 256
"""The largest number of providers that one response is compared with."""
_SEED_BYTES = 16
_UNKNOWN = "Issuer not present in specified provider"
_NONE_OPEN = "Not authorized to perform sts:AssumeRoleWithSAML"


@dataclass(frozen=True, slots=True)
class Offer:
    """The signed-in person, and the roles that they can assume.

    `closed` counts the roles in the assertion that cannot be assumed.
    """

    identity: SamlIdentity
    roles: tuple[RolePair, ...]
    closed: int


@dataclass(frozen=True, slots=True)
class ResponseVerifier:
    """Verifies one response against one provider after another."""

    unverified_response: str
    issuer: str
    registered: frozenset[str]
    candidates: Candidates
    ctx: RequestContext
    request_id: str
    _verified: dict[object, VerifiedAssertion | Fault] = field(default_factory=dict)

    def find_trust(self, arn: str) -> Trust | None:
        """Return the provider if it has the issuer of the response, or None."""
        if arn not in self.registered:
            return None
        try:
            return find_trust(arn, self.ctx)
        except Fault:
            return None  # An unreadable provider does not stop the others.

    def identify(self, trust: Trust) -> SamlIdentity | None:
        """Return the identity in the response, as verified by a provider.

        Returns None if the keys of the provider do not match. Raises the Fault of STS, or BudgetSpentError.
        """
        alike = self.candidates.find_alike(trust, self.ctx.now)
        return None if alike is None else self.identify_as(alike, trust)

    def identify_as(self, alike: object, trust: Trust) -> SamlIdentity:
        """Return the identity, and share the verification between providers.

        `alike` is the same for providers with the same verification.
        """
        verified = self._verified.get(alike)
        if verified is None:
            if len(self._verified) >= MOST_VERIFIED:
                raise BudgetSpentError
            verified = self._verified[alike] = self._verify(trust)
        if isinstance(verified, Fault):
            raise verified.with_traceback(None)
        settings, now = self.ctx.settings.for_saml(), self.ctx.now
        return identify_verified(verified, trust=trust, settings=settings, now=now, request_id=self.request_id)

    def _verify(self, trust: Trust) -> VerifiedAssertion | Fault:
        try:
            return verify_response(self.unverified_response, trust=trust, now=self.ctx.now, request_id=self.request_id)
        except Fault as fault:
            return fault


@dataclass(frozen=True, slots=True)
class VerifiedSamlResponse:
    """A verified identity, and the object that tries further providers."""

    identity: SamlIdentity
    verifier: ResponseVerifier


def verify_saml_response(unverified_response: str, ctx: RequestContext, *, request_id: str) -> VerifiedSamlResponse:
    """Return the verified identity in a response.

    Its roles are not evaluated: they may belong to another STS.
    """
    root = decode_response(unverified_response)  # Raises a precise Fault if the response cannot be parsed.
    issuer = next(iter(find_unverified_issuers(unverified_response)), None)
    if issuer is None:
        raise InvalidIdentityToken(_UNKNOWN, detail="the response names no issuer")
    registered = frozenset(ctx.views.get(load_providers_of, issuer))
    verifier = ResponseVerifier(unverified_response, issuer, registered, read_candidates(root), ctx, request_id)
    return VerifiedSamlResponse(_first_identity(verifier), verifier)


def _first_identity(verifier: ResponseVerifier) -> SamlIdentity:
    """Return the identity from the first provider that verifies it.

    Raises the first refusal if no provider verifies the response.
    """
    first: Trust | None = None
    refusal: Fault | None = None
    for trust in islice(_trusts(verifier), MOST_COMPARED):
        first = first or trust
        try:
            identity = verifier.identify(trust)
        except BudgetSpentError:
            break
        except Fault as fault:
            refusal = refusal or fault
            continue
        if identity is not None:
            return identity
    if first is None:
        raise InvalidIdentityToken(_UNKNOWN, detail=f"no provider is registered for {verifier.issuer!r}")
    if refusal is None:  # No keys match: the first provider returns the precise error.
        with suppress(BudgetSpentError):
            return verifier.identify_as(first.provider_arn, first)
    raise refusal or InvalidIdentityToken(_UNKNOWN)


def _trusts(verifier: ResponseVerifier) -> Iterator[Trust]:
    """Yield the providers that a response names, then the others in turns."""
    named = verifier.candidates.named
    for arn in chain(named, _others(verifier, frozenset(named))):
        trust = verifier.find_trust(arn)
        if trust is not None:
            yield trust


def _others(verifier: ResponseVerifier, named: frozenset[str]) -> Iterator[str]:
    seed = verifier.ctx.entropy(_SEED_BYTES)
    accounts: dict[str, list[str]] = {}
    for arn in verifier.registered:
        owner = provider_name(arn)
        if owner is not None and arn not in named:
            accounts.setdefault(owner[0], []).append(arn)
    drawn = sorted(accounts, key=lambda account: hashlib.sha256(seed + account.encode()).digest())
    for turn in zip_longest(*(accounts[account] for account in drawn)):
        yield from (arn for arn in turn if arn is not None)


def offer_roles(verified: VerifiedSamlResponse, request_info: RequestInfo, ctx: RequestContext) -> Offer:
    """Return the roles that a response can assume.

    Raises the Fault of STS if it cannot assume any role.
    """
    identity = verified.identity
    roles: set[RolePair] = set()
    for arn in dict.fromkeys(pair.provider for pair in identity.roles):
        trust = verified.verifier.find_trust(arn)
        if trust is not None:
            roles.update(_open_roles(verified.verifier, trust, request_info, ctx))
    if not roles:
        raise AccessDenied(
            _NONE_OPEN, detail=f"the caller cannot assume any of the {len(identity.roles)} roles in the assertion"
        )
    order = [pair for pair in identity.roles if pair in roles]
    return Offer(identity, tuple(order), len(identity.roles) - len(order))


def _open_roles(
    verifier: ResponseVerifier, trust: Trust, request_info: RequestInfo, ctx: RequestContext
) -> list[RolePair]:
    """Return the roles of one provider whose trust policies allow the assertion."""
    try:
        identity = verifier.identify(trust)
    except (Fault, BudgetSpentError):
        return []  # The provider of another account may have stricter rules.
    if identity is None:
        return []
    mine = [pair for pair in identity.roles if pair.provider == trust.provider_arn]
    return [pair for pair in mine if _is_open(pair, identity, trust, request_info, ctx)]


def _is_open(
    pair: RolePair, identity: SamlIdentity, trust: Trust, request_info: RequestInfo, ctx: RequestContext
) -> bool:
    role = read_role_arn(pair.role)
    params = AssumeRoleWithSAMLRequest(role, AssumeRoleWithSAMLParams(pair.role, pair.provider, ""), SessionPolicies())
    try:
        authorize(_OPERATION, params, saml_caller(identity, trust.account), request_info, ctx)
    except AccessDenied:
        return False
    return True
