"""Centralized root access: list, enable and disable its two features.

The management account can call all actions, the delegated administrator for IAM all except those that enable a feature.
Trusted access for IAM is always enabled here, and an organization always has all features.
Source: IAM API Reference, ListOrganizationsFeatures, EnableOrganizationsRootSessions and the other actions.
"""

from collections.abc import Set as AbstractSet
from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory.entities.organization_entities import Organization, RootFeature
from daypass.directory.identity import load_account
from daypass.directory.organization.organization_changes import set_features
from daypass.directory.organization.organization_tree import find_organization
from daypass.errors import (
    AccountNotManagementOrDelegatedAdministrator,
    CallerIsNotManagementAccount,
    OrganizationNotFound,
)
from daypass.operations.iam.iam_action import IamAction, Nothing
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext


def _administered(caller: Caller, ctx: RequestContext) -> Organization:
    """Return the organization that the caller's account administers.

    Raises a Fault if there is no such organization.
    """
    organization, row = find_organization(ctx.reader), load_account(ctx.reader, caller.account)
    if organization is None or row is None or row.standing == "standalone":
        raise OrganizationNotFound("The request was rejected because no organization is associated with your account.")
    if caller.account not in {organization.manager, organization.delegate}:
        raise AccountNotManagementOrDelegatedAdministrator(
            "The request was rejected because the account making the request is not the management account or "
            "delegated administrator account for centralized root access."
        )
    return organization


def _show(organization: Organization) -> dict[str, Any]:
    return {"OrganizationId": organization.id, "EnabledFeatures": list(organization.features)}


class ListOrganizationsFeatures(IamAction[Nothing]):
    """Lists the enabled features."""

    action, takes = "ListOrganizationsFeatures", Nothing

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the enabled features."""
        return _show(_administered(caller, ctx))


class _Switch(IamAction[Nothing]):
    """Base of the actions that enable or disable a feature."""

    takes, access = Nothing, StoreAccess.WRITE
    feature: RootFeature

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Set the features, and return the enabled features."""
        organization = _administered(caller, ctx)
        self.check_may_change(caller, organization)
        return _show(set_features(ctx.writer, self.changed(frozenset(organization.features))))

    def check_may_change(self, caller: Caller, organization: Organization) -> None:
        """Refuse a caller that can list features but cannot change this one."""

    def changed(self, features: AbstractSet[str]) -> AbstractSet[str]:
        """Return the features after the change."""
        raise NotImplementedError


class _Enable(_Switch):
    def check_may_change(self, caller: Caller, organization: Organization) -> None:
        if caller.account != organization.manager:
            raise CallerIsNotManagementAccount(
                "The request was rejected because the account making the request is not the management account for "
                "the organization."
            )

    def changed(self, features: AbstractSet[str]) -> AbstractSet[str]:
        return features | {self.feature.value}


class _Disable(_Switch):
    def changed(self, features: AbstractSet[str]) -> AbstractSet[str]:
        return features - {self.feature.value}


class EnableOrganizationsRootSessions(_Enable):
    """Allows sessions of members' root users for tasks outside IAM."""

    action, feature = "EnableOrganizationsRootSessions", RootFeature.SESSIONS


class DisableOrganizationsRootSessions(_Disable):
    """Stops new sessions. Existing sessions stay valid."""

    action, feature = "DisableOrganizationsRootSessions", RootFeature.SESSIONS


class EnableOrganizationsRootCredentialsManagement(_Enable):
    """Allows sessions that manage the credentials of members' root users."""

    action, feature = "EnableOrganizationsRootCredentialsManagement", RootFeature.CREDENTIALS


class DisableOrganizationsRootCredentialsManagement(_Disable):
    """Stops new sessions. Existing sessions stay valid."""

    action, feature = "DisableOrganizationsRootCredentialsManagement", RootFeature.CREDENTIALS


OPERATIONS = (
    ListOrganizationsFeatures(),
    EnableOrganizationsRootSessions(),
    DisableOrganizationsRootSessions(),
    EnableOrganizationsRootCredentialsManagement(),
    DisableOrganizationsRootCredentialsManagement(),
)
