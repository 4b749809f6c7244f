"""The scope of each write: its caller's account, or the whole store.

Owns the table. Writes of different accounts run at the same time, so an operation is in scope ACCOUNT only if

* it changes records of the caller's account alone, and links of this account's entities alone (the store refuses a
  record of another account),
* its checks (quotas, names, uses) read this account, or data that only writes of the whole store change, such as the
  organization, and
* it claims no key that another account could claim.

It may read other accounts where an older answer is as good, such as the principals of a trust policy. An operation that
is not listed writes in the scope STORE, alone.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from daypass.operations.operation import AnyOperation


class WriteScope(Enum):
    """The other writes that one write excludes: of its account, or all."""

    ACCOUNT = "account"
    STORE = "store"


_ACCOUNT = """
    AddClientIDToOpenIDConnectProvider AddRoleToInstanceProfile AddUserToGroup AttachGroupPolicy AttachRolePolicy
    AttachUserPolicy CreateAccessKey CreateGroup CreateInstanceProfile CreateOpenIDConnectProvider CreatePolicy
    CreatePolicyVersion CreateRole CreateServiceLinkedRole CreateUser CreateVirtualMFADevice DeactivateMFADevice
    DeleteAccessKey DeleteGroup DeleteGroupPolicy DeleteInstanceProfile DeleteOpenIDConnectProvider DeletePolicy
    DeletePolicyVersion DeleteRole DeleteRolePermissionsBoundary DeleteRolePolicy DeleteServiceLinkedRole DeleteUser
    DeleteUserPermissionsBoundary DeleteUserPolicy DeleteVirtualMFADevice DetachGroupPolicy DetachRolePolicy
    DetachUserPolicy EnableMFADevice GenerateCredentialReport PutGroupPolicy PutRolePermissionsBoundary PutRolePolicy
    PutUserPermissionsBoundary PutUserPolicy RemoveClientIDFromOpenIDConnectProvider RemoveRoleFromInstanceProfile
    RemoveUserFromGroup ResyncMFADevice SetDefaultPolicyVersion TagInstanceProfile TagMFADevice
    TagOpenIDConnectProvider TagPolicy TagRole TagSAMLProvider TagUser UntagInstanceProfile UntagMFADevice
    UntagOpenIDConnectProvider UntagPolicy UntagRole UntagSAMLProvider UntagUser UpdateAccessKey
    UpdateAssumeRolePolicy UpdateGroup UpdateOpenIDConnectProvider UpdateOpenIDConnectProviderThumbprint UpdateRole
    UpdateRoleDescription UpdateUser
"""

# The record of an account and its alias are listed across the store, and so is the organization; requests and tokens of
# delegation are between accounts; SAML providers of all accounts share the links of their issuers.
_STORE = """
    AcceptDelegationRequest AssociateDelegationRequest CreateAccountAlias CreateDelegationRequest CreateSAMLProvider
    DeleteAccountAlias DeleteAccountPasswordPolicy DeleteSAMLProvider DisableOrganizationsRootCredentialsManagement
    DisableOrganizationsRootSessions DisableOutboundWebIdentityFederation EnableOrganizationsRootCredentialsManagement
    EnableOrganizationsRootSessions EnableOutboundWebIdentityFederation RejectDelegationRequest SendDelegationToken
    SetSecurityTokenServicePreferences UpdateAccountPasswordPolicy UpdateDelegationRequest UpdateSAMLProvider
"""

SCOPES: Mapping[str, WriteScope] = MappingProxyType(
    {
        **{f"iam:{action}": WriteScope.ACCOUNT for action in _ACCOUNT.split()},
        **{f"iam:{action}": WriteScope.STORE for action in _STORE.split()},
        "sts:GetDelegatedAccessToken": WriteScope.STORE,
    }
)


def account_to_lock(operation: AnyOperation | None, account: str) -> str | None:
    """Return the account that a write locks, or None for the whole store.

    `account` is that of the signer, empty for an unsigned call.
    """
    if operation is None or not account:
        return None
    scope = SCOPES.get(f"{operation.service}:{operation.action}")
    return account if scope is WriteScope.ACCOUNT else None
