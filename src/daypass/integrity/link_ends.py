"""The ends of each kind of link: a table. Pure functions of a Reader."""

from collections.abc import Callable, Mapping

from daypass.directory import records
from daypass.directory.entities.delegation_entities import OF_OWNER, OF_REQUESTOR, WAITING, DelegationRequest
from daypass.directory.entities.iam_entities import Group, InstanceProfile, Role, User
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.directory.links import ATTACHED, BOUNDARY, IN_PROFILE, MEMBER
from daypass.directory.saml_providers import ISSUER, find_provider
from daypass.integrity.references import KnownRecords
from daypass.sign_in.sessions import OF_ACCOUNT, OF_PERSON

HasEnd = Callable[[str, KnownRecords], bool]


def _any(_end: str, _places: KnownRecords) -> bool:
    """Return True: this end is a name or a hash, and not a record."""
    return True


def _holder(end: str, places: KnownRecords) -> bool:
    return places.has_id(end, User, Group, Role)


def _policy(end: str, places: KnownRecords) -> bool:
    return places.has_policy(end)


def _policy_here(end: str, places: KnownRecords) -> bool:
    return places.has_policy(end.partition("/")[2])


def _request(end: str, places: KnownRecords) -> bool:
    return places.has_id(end, DelegationRequest)


def _session(end: str, places: KnownRecords) -> bool:
    return records.find(places.reader, SignInSession, "", end) is not None


def _provider(end: str, places: KnownRecords) -> bool:
    found: SamlProvider | None = find_provider(places.reader, end)
    return found is not None


# Kind -> whether its source exists, and whether its target does.
ENDS: Mapping[str, tuple[HasEnd, HasEnd]] = {
    ATTACHED: (_holder, _policy),
    "attached_here": (_holder, _policy_here),
    BOUNDARY: (_holder, _policy),
    "boundary_here": (_holder, _policy_here),
    MEMBER: (lambda end, places: places.has_id(end, User), lambda end, places: places.has_id(end, Group)),
    IN_PROFILE: (lambda end, places: places.has_id(end, Role), lambda end, places: places.has_id(end, InstanceProfile)),
    ISSUER: (_any, _provider),
    OF_REQUESTOR: (_any, _request),
    OF_OWNER: (_any, _request),
    WAITING: (_any, _request),
    OF_ACCOUNT: (_session, _any),
    OF_PERSON: (_session, _any),
}
