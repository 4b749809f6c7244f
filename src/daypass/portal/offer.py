"""Which roles a SAML response may take, when it arrives by itself.

Owns finding the provider that vouches for it, among all that were registered for its issuer, and asking each role's
trust policy before it is offered. Nothing is minted here: whoever chooses a role goes through AssumeRoleWithSAML like
everybody else, so that the offer can only be shorter than what would be granted, never longer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daypass.authorize.authorize import authorize
from daypass.authorize.context import Surroundings
from daypass.directory.saml_providers import load_providers_of
from daypass.errors import AccessDenied, Fault, InvalidIdentityToken
from daypass.federation.saml.attributes import RolePair
from daypass.federation.saml.identity import SamlIdentity, identify
from daypass.federation.saml.settings import Trust
from daypass.federation.saml.verify import decode_response, find_unverified_issuer
from daypass.operations.saml_trust import find_trust
from daypass.operations.sts.assume_role_with_saml import Asked, AskedRole, AssumeRoleWithSAML, saml_caller
from daypass.operations.sts.role_session import read_role_arn
from daypass.operations.sts.session_policies import SessionPolicies
from daypass.operations.world import World

_OPERATION = AssumeRoleWithSAML()
# A response costs a signature check for each provider that is tried. Those registered alike are tried once.
_MOST_TRIED = 20
_UNKNOWN = "Issuer not present in specified provider"
_NONE_OPEN = "Not authorized to perform sts:AssumeRoleWithSAML"


@dataclass(frozen=True, slots=True)
class Offer:
    """Who signed in, and the roles that are open to them. `closed` counts those that the assertion names in vain."""

    identity: SamlIdentity
    roles: tuple[RolePair, ...]
    closed: int


def offer_roles(unverified_response: str, around: Surroundings, world: World, *, request_id: str) -> Offer:
    """Return what a response may take. Raises the Fault that STS would answer with where it may take nothing."""
    trusts = _registered_for(unverified_response, world)
    identity = _judge(unverified_response, trusts, world, request_id)
    named = {pair.provider for pair in identity.roles}
    roles: set[RolePair] = set()
    for trust in trusts:
        if trust.provider_arn in named:
            roles.update(_open_roles(unverified_response, trust, around, world))
    if not roles:
        raise AccessDenied(_NONE_OPEN, detail=f"none of {len(identity.roles)} roles in the assertion is open")
    order = [pair for pair in identity.roles if pair in roles]
    return Offer(identity, tuple(order), len(identity.roles) - len(order))


def judge(unverified_response: str, world: World, *, request_id: str) -> SamlIdentity:
    """Return whom a response speaks for, whatever its roles are. They may be another STS's."""
    return _judge(unverified_response, _registered_for(unverified_response, world), world, request_id)


def _registered_for(unverified_response: str, world: World) -> list[Trust]:
    issuer = find_unverified_issuer(unverified_response)
    if issuer is None:
        decode_response(unverified_response)  # says what is wrong, where it cannot be read at all
        raise InvalidIdentityToken(_UNKNOWN, detail="the response names no issuer")
    arns = world.views.get(load_providers_of, issuer)
    found = (find_trust(arn, world) for arn in arns)
    trusts = [trust for trust in found if trust is not None]
    if not trusts:
        raise InvalidIdentityToken(_UNKNOWN, detail=f"no provider is registered for {issuer!r}")
    return trusts


def _judge(unverified_response: str, trusts: Sequence[Trust], world: World, request_id: str) -> SamlIdentity:
    """Return the identity as the first provider that vouches for it reads it, or raise the first refusal."""
    refusal: Fault | None = None
    for trust in _one_of_each(trusts):
        try:
            return _identify(unverified_response, trust, world, request_id)
        except Fault as fault:
            refusal = refusal or fault
    raise refusal or InvalidIdentityToken(_UNKNOWN)


def _one_of_each(trusts: Sequence[Trust]) -> Iterator[Trust]:
    """Yield providers that may judge differently. One identity provider is often registered in many accounts."""
    seen: set[object] = set()
    for trust in trusts:
        alike = (
            tuple(key.fingerprint for key in trust.metadata.signing_keys),
            trust.metadata.valid_until,
            tuple(key.public_key().public_numbers() for key in trust.decryption_keys),
            trust.require_encryption,
            trust.lax_like_aws,
            trust.allow_sha1,
        )
        if alike not in seen and len(seen) < _MOST_TRIED:
            seen.add(alike)
            yield trust


def _identify(unverified_response: str, trust: Trust, world: World, request_id: str) -> SamlIdentity:
    settings = world.settings.for_saml()
    return identify(unverified_response, trust=trust, settings=settings, now=world.now, request_id=request_id)


def _open_roles(unverified_response: str, trust: Trust, around: Surroundings, world: World) -> list[RolePair]:
    """Return the roles of one provider whose trust policies let this assertion in."""
    try:
        identity = _identify(unverified_response, trust, world, "")
    except Fault:
        return []  # Another account's provider may ask for more.
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
