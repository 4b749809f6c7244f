"""The references between records: a table by kind.

They are pure functions of a Reader. A row of REFERENCES exists for each type of entity, also if it refers to none, so
that a new type needs a decision. Principals in policies are not references: AWS keeps the ids of deleted ones.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from daypass.arn import Arn
from daypass.directory import records
from daypass.directory.entities.account_entities import AccountAlias, CredentialReport, DeletionTask
from daypass.directory.entities.apply_entities import Mark, Origin, UnresolvedPrincipal
from daypass.directory.entities.bucket_entities import StoredBucket
from daypass.directory.entities.delegation_entities import DelegationRequest, Notification
from daypass.directory.entities.deployment_entities import Deployment
from daypass.directory.entities.iam_entities import (
    AccessKey,
    Account,
    Entity,
    Group,
    InstanceProfile,
    LastUse,
    ManagedPolicy,
    Role,
    StoredKey,
    User,
)
from daypass.directory.entities.mfa_entities import MfaDevice
from daypass.directory.entities.oidc_entities import OidcProvider, OidcSignInClient
from daypass.directory.entities.organization_entities import ORGANIZATION, ControlPolicies, Organization, Unit
from daypass.directory.entities.outbound_entities import Issuer, TokenSigningKey
from daypass.directory.entities.resource_server_entities import EVERY_ACCOUNT, ResourceServer
from daypass.directory.entities.saml_entities import SamlProvider, SamlRequestKey
from daypass.directory.entities.sign_in_entities import SignIn, SignInSession, StoredProof, TokenFamily
from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.directory.links import BOUNDARY, IN_PROFILE
from daypass.directory.managed_policies.aws_managed import find_aws_policy
from daypass.directory.outbound import NOTIFICATIONS, SIGN_IN
from daypass.directory.store import Reader

Missing = Iterator[str]
"""Each missing record in words, such as "the account 123456789012"."""


class KnownRecords:
    """Answers whether records exist, in one snapshot."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.has_account = lru_cache(maxsize=1024)(self._has_account)
        self.root = lru_cache(maxsize=1)(self._root)

    def has_id(self, unique_id: str, *types: type[Entity]) -> bool:
        """Return whether a record of one of these types has an id."""
        found = self.reader.find_by_id(unique_id)
        return found is not None and found.kind in {records.kind_name(each) for each in types}

    def has_policy(self, arn: str) -> bool:
        """Return whether a managed policy exists."""
        if find_aws_policy(arn) is not None:
            return True
        parts = Arn.find(arn)
        if parts is None:
            return False
        found = records.find(self.reader, ManagedPolicy, parts.account, parts.resource.rpartition("/")[2])
        return found is not None and found.arn == arn

    def has_level(self, target: str) -> bool:
        """Return whether a unit, an account or the root exists."""
        return target == self.root() or self.has_account(target) or self.has_unit(target)

    def has_unit(self, unit: str) -> bool:
        """Return whether an organizational unit exists."""
        return unit == self.root() or records.find(self.reader, Unit, "", unit) is not None

    def _has_account(self, account: str) -> bool:
        return records.find(self.reader, Account, "", account) is not None

    def _root(self) -> str:
        found = records.find(self.reader, Organization, "", ORGANIZATION)
        return "" if found is None else found.root


def _none(_entity: Any, _places: KnownRecords) -> Missing:
    return iter(())


def _account(entity: Any, places: KnownRecords) -> Missing:
    if not places.has_account(entity.account):
        yield f"the account {entity.account}"


def _account_if_any(entity: Any, places: KnownRecords) -> Missing:
    return _account(entity, places) if entity.account else iter(())


def _of_issuer(entity: Issuer | TokenSigningKey, places: KnownRecords) -> Missing:
    # Two issuers belong to the server itself.
    return iter(()) if entity.account in {NOTIFICATIONS, SIGN_IN} else _account(entity, places)


def _of_account(entity: Account, places: KnownRecords) -> Missing:
    if entity.unit and not places.has_unit(entity.unit):
        yield f"the organizational unit {entity.unit}"
    if entity.outbound_issuer and records.find(places.reader, Issuer, "", entity.outbound_issuer) is None:
        yield f"the issuer {entity.outbound_issuer}"


def _of_holder(entity: User | Role, places: KnownRecords) -> Missing:
    yield from _account(entity, places)
    if entity.boundary and not places.has_policy(entity.boundary):
        yield f"the permissions boundary {entity.boundary}"
    elif entity.boundary and places.reader.find_link(BOUNDARY, entity.id, entity.boundary) is None:
        yield f"the link to the permissions boundary {entity.boundary}"


def _of_profile(entity: InstanceProfile, places: KnownRecords) -> Missing:
    yield from _account(entity, places)
    if entity.role and not places.has_id(entity.role, Role):
        yield f"the role {entity.role}"
    elif entity.role and places.reader.find_link(IN_PROFILE, entity.role, entity.id) is None:
        yield f"the link of the role {entity.role}"


def _of_owned(entity: AccessKey | MfaDevice, places: KnownRecords) -> Missing:
    yield from _account(entity, places)
    if entity.owner and entity.owner != entity.account and not places.has_id(entity.owner, User):
        yield f"the user {entity.owner}"


def _of_organization(entity: Organization, places: KnownRecords) -> Missing:
    for account in filter(None, (entity.manager, entity.delegate)):
        if not places.has_account(account):
            yield f"the account {account}"


def _of_unit(entity: Unit, places: KnownRecords) -> Missing:
    if not places.has_unit(entity.parent):
        yield f"the parent {entity.parent}"


def _of_control_policies(entity: ControlPolicies, places: KnownRecords) -> Missing:
    if not places.has_level(entity.target):
        yield f"the unit or account {entity.target}"


def _of_resource_server(entity: ResourceServer, places: KnownRecords) -> Missing:
    for account in dict.fromkeys((entity.account, *entity.accounts)):
        if account != EVERY_ACCOUNT and not places.has_account(account):
            yield f"the account {account}"


def _of_delegation(entity: DelegationRequest, places: KnownRecords) -> Missing:
    for account in filter(None, (entity.requestor, entity.owner_account)):
        if not places.has_account(account):
            yield f"the account {account}"


def _of_notification(entity: Notification, places: KnownRecords) -> Missing:
    if entity.requestor and not places.has_account(entity.requestor):
        yield f"the account {entity.requestor}"


def _of_proof(entity: StoredProof, places: KnownRecords) -> Missing:
    if records.find(places.reader, SignInSession, "", entity.id) is None:
        yield f"the sign-in session {entity.id}"


REFERENCES: Mapping[type[Entity], Callable[[Any, KnownRecords], Missing]] = {
    Account: _of_account,
    User: _of_holder,
    Role: _of_holder,
    Group: _account,
    ManagedPolicy: _account,
    InstanceProfile: _of_profile,
    AccessKey: _of_owned,
    MfaDevice: _of_owned,
    LastUse: _account,
    AccountAlias: _account,
    CredentialReport: _account,
    DeletionTask: _account,
    Mark: _account_if_any,
    Origin: _account,
    UnresolvedPrincipal: _none,
    StoredBucket: _account,
    ResourceServer: _of_resource_server,
    OidcProvider: _account,
    OidcSignInClient: _account,
    SamlProvider: _account,
    SamlRequestKey: _none,
    StoredKey: _none,
    Deployment: _none,
    Organization: _of_organization,
    Unit: _of_unit,
    ControlPolicies: _of_control_policies,
    Issuer: _of_issuer,
    TokenSigningKey: _of_issuer,
    DelegationRequest: _of_delegation,
    Notification: _of_notification,
    SignIn: _none,
    SignInSession: _account_if_any,
    StoredProof: _of_proof,
    TokenFamily: _account_if_any,
    SsoClient: _none,
}
