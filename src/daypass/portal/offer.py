"""Which roles a SAML response may take, when it arrives by itself.

Owns finding the provider that vouches for it, among all that were registered for its issuer, and asking each role's
trust policy before it is offered. Nothing is minted here: whoever chooses a role goes through AssumeRoleWithSAML like
everybody else, so that the offer can only be shorter than what would be granted, never longer.

Any tenant may register a provider under any entity ID. Hence:

* The providers that the response itself names are asked first, in its order. Its author decides about nobody else.
* Then the other providers of that entity ID are asked: accounts take turns, in an order that is drawn anew for each
  response. What a tenant registers, and how often, takes no turn from another account.
* A provider costs a full verification only if its keys fit the response (federation/saml/candidates.py), and providers
  that verify alike are verified once. All of that has limits.
"""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest

from daypass.authorize.authorize import authorize
from daypass.authorize.context import Surroundings
from daypass.directory.saml_providers import load_providers_of, provider_name
from daypass.errors import AccessDenied, Fault, InvalidIdentityToken
from daypass.federation.saml.attributes import RolePair
from daypass.federation.saml.candidates import BudgetSpentError, Candidates, read_candidates
from daypass.federation.saml.identity import SamlIdentity, identify_verified
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.verify import (
    VerifiedAssertion,
    decode_response,
    find_unverified_issuer,
    verify_response,
)
from daypass.operations.saml_trust import find_trust
from daypass.operations.sts.assume_role_with_saml import Asked, AskedRole, AssumeRoleWithSAML, saml_caller
from daypass.operations.sts.role_session import read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies
from daypass.operations.world import World

_OPERATION = AssumeRoleWithSAML()
MOST_VERIFIED = 50
"""How often one response is verified at most. Providers that verify it alike count once."""
MOST_ASKED = 256
"""How many providers one response is compared with at most."""
_SEED_BYTES = 16
_UNKNOWN = "Issuer not present in specified provider"
_NONE_OPEN = "Not authorized to perform sts:AssumeRoleWithSAML"


@dataclass(frozen=True, slots=True)
class Offer:
    """Who signed in, and the roles that are open to them. `closed` counts those that the assertion names in vain."""

    identity: SamlIdentity
    roles: tuple[RolePair, ...]
    closed: int


@dataclass(frozen=True, slots=True)
class ResponseJudge:
    """Judges one response by one provider after another."""

    unverified_response: str
    issuer: str
    registered: frozenset[str]
    candidates: Candidates
    world: World
    request_id: str
    _verified: dict[object, VerifiedAssertion | Fault] = field(default_factory=dict)

    def find_trust(self, arn: str) -> Trust | None:
        """Return a provider if it is registered for the issuer of the response, or None."""
        if arn not in self.registered:
            return None
        try:
            return find_trust(arn, self.world)
        except Fault:
            return None  # A provider that cannot be read judges nothing, and keeps no other from judging.

    def identify(self, trust: Trust) -> SamlIdentity | None:
        """Return whom the response speaks for to a provider, or None if the provider's keys do not fit it.

        Raises the Fault that STS answers with, and BudgetSpentError.
        """
        alike = self.candidates.find_alike(trust, self.world.now)
        return None if alike is None else self.identify_as(alike, trust)

    def identify_as(self, alike: object, trust: Trust) -> SamlIdentity:
        """Return the same for a provider that has something in common with all that verify the response alike."""
        verified = self._verified.get(alike)
        if verified is None:
            if len(self._verified) >= MOST_VERIFIED:
                raise BudgetSpentError
            verified = self._verified[alike] = self._verify(trust)
        if isinstance(verified, Fault):
            raise verified.with_traceback(None)
        settings, now = self.world.settings.for_saml(), self.world.now
        return identify_verified(verified, trust=trust, settings=settings, now=now, request_id=self.request_id)

    def _verify(self, trust: Trust) -> VerifiedAssertion | Fault:
        try:
            return verify_response(
                self.unverified_response, trust=trust, now=self.world.now, request_id=self.request_id
            )
        except Fault as fault:
            return fault


@dataclass(frozen=True, slots=True)
class Judged:
    """Whom a response speaks for, and who can say so of further providers."""

    identity: SamlIdentity
    judge: ResponseJudge


def judge(unverified_response: str, world: World, *, request_id: str) -> Judged:
    """Return whom a response speaks for, whatever its roles are. They may be another STS's."""
    issuer = find_unverified_issuer(unverified_response)
    root = decode_response(unverified_response)  # It says what is wrong with a response that cannot be read at all.
    if issuer is None:
        raise InvalidIdentityToken(_UNKNOWN, detail="the response names no issuer")
    registered = frozenset(world.views.get(load_providers_of, issuer))
    judging = ResponseJudge(unverified_response, issuer, registered, read_candidates(root), world, request_id)
    return Judged(_first_identity(judging), judging)


def _first_identity(judging: ResponseJudge) -> SamlIdentity:
    """Return the identity as the first provider that vouches for it reads it, or raise the first refusal."""
    first: Trust | None = None
    refusal: Fault | None = None
    for trust in islice(_trusts(judging), MOST_ASKED):
        first = first or trust
        try:
            identity = judging.identify(trust)
        except BudgetSpentError:
            break
        except Fault as fault:
            refusal = refusal or fault
            continue
        if identity is not None:
            return identity
    if first is None:
        raise InvalidIdentityToken(_UNKNOWN, detail=f"no provider is registered for {judging.issuer!r}")
    if refusal is None:  # No provider's keys fit: the first one says in which way.
        with suppress(BudgetSpentError):
            return judging.identify_as(first.provider_arn, first)
    raise refusal or InvalidIdentityToken(_UNKNOWN)


def _trusts(judging: ResponseJudge) -> Iterator[Trust]:
    """Yield the providers that a response names, then the others of its issuer, as accounts take turns."""
    named = judging.candidates.named
    for arn in chain(named, _others(judging, frozenset(named))):
        trust = judging.find_trust(arn)
        if trust is not None:
            yield trust


def _others(judging: ResponseJudge, named: frozenset[str]) -> Iterator[str]:
    seed = judging.world.entropy(_SEED_BYTES)
    accounts: dict[str, list[str]] = {}
    for arn in judging.registered:
        owner = provider_name(arn)
        if owner is not None and arn not in named:
            accounts.setdefault(owner[0], []).append(arn)
    drawn = sorted(accounts, key=lambda account: hashlib.sha256(seed + account.encode()).digest())
    for turn in zip_longest(*(accounts[account] for account in drawn)):
        yield from (arn for arn in turn if arn is not None)


def offer_roles(judged: Judged, around: Surroundings, world: World) -> Offer:
    """Return what a response may take. Raises the Fault that STS would answer with where it may take nothing."""
    identity = judged.identity
    roles: set[RolePair] = set()
    for arn in dict.fromkeys(pair.provider for pair in identity.roles):
        trust = judged.judge.find_trust(arn)
        if trust is not None:
            roles.update(_open_roles(judged.judge, trust, around, world))
    if not roles:
        raise AccessDenied(_NONE_OPEN, detail=f"none of {len(identity.roles)} roles in the assertion is open")
    order = [pair for pair in identity.roles if pair in roles]
    return Offer(identity, tuple(order), len(identity.roles) - len(order))


def _open_roles(judging: ResponseJudge, trust: Trust, around: Surroundings, world: World) -> list[RolePair]:
    """Return the roles of one provider whose trust policies let this assertion in."""
    try:
        identity = judging.identify(trust)
    except (Fault, BudgetSpentError):
        return []  # Another account's provider may ask for more.
    if identity is None:
        return []
    mine = [pair for pair in identity.roles if pair.provider == trust.provider_arn]
    return [pair for pair in mine if _is_open(pair, identity, trust, around, world)]


def _is_open(pair: RolePair, identity: SamlIdentity, trust: Trust, around: Surroundings, world: World) -> bool:
    role = read_role_arn(pair.role)
    asked = Asked(role, AskedRole(pair.role, pair.provider, ""), SessionPolicies())
    try:
        authorize(_OPERATION, asked, saml_caller(identity, trust.account), around, world)
    except AccessDenied:
        return False
    return True
