"""GetAccountSummary: the entity counts and quotas of an account.

Source: IAM API Reference, GetAccountSummary; the members are those of AWS's recorded answer.
"""

from typing import Any

from daypass.authenticate.caller import Caller
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account, ManagedPolicy
from daypass.directory.records import each_by_path
from daypass.directory.store import Reader
from daypass.operations.iam.iam_action import IamAction, Nothing
from daypass.operations.iam.identities.access_keys import keys_of
from daypass.operations.operation import StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import Quotas

_MOST_DEVICES = 100_000


class GetAccountSummary(IamAction[Nothing]):
    """Shows the entity counts and quotas of the account."""

    action, takes, access = "GetAccountSummary", Nothing, StoreAccess.READ

    def perform(self, params: Nothing, caller: Caller, ctx: RequestContext) -> dict[str, Any]:
        """Return the numbers."""
        return {"SummaryMap": {**_used(ctx.reader, caller.account), **_quotas(ctx.settings.quotas)}}


def _used(reader: Reader, account: str) -> dict[str, int]:
    devices = reader.count("mfa_device", account)
    # The sort keys of devices without an owner begin with a dash.
    unassigned = len(reader.page("mfa_device", account, prefix="-/", limit=_MOST_DEVICES))
    known = records.find(reader, Account, "", account)
    versions = sum(len(policy.versions) for _, policy in each_by_path(reader, ManagedPolicy, account, "/", ""))
    return {
        "Users": reader.count("user", account),
        "Groups": reader.count("group", account),
        "Roles": reader.count("role", account),
        "Policies": reader.count("policy", account),
        "PolicyVersionsInUse": versions,
        "InstanceProfiles": reader.count("instance_profile", account),
        "Providers": reader.count("saml_provider", account) + reader.count("oidc_provider", account),
        "MFADevices": devices,
        "MFADevicesInUse": devices - unassigned,
        "AccountMFAEnabled": int(bool(reader.page("mfa_device", account, prefix=f"{account}/", limit=1))),
        "AccountAccessKeysPresent": int(bool(keys_of(reader, account, account))),
        "GlobalEndpointTokenVersion": 1 if known is None else known.token_version,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "ServerCertificates": 0,
    }


def _quotas(quotas: Quotas) -> dict[str, int]:
    return {
        "UsersQuota": quotas.users,
        "GroupsQuota": quotas.groups,
        "RolesQuota": quotas.roles,
        "PoliciesQuota": quotas.policies,
        "InstanceProfilesQuota": quotas.instance_profiles,
        "AccessKeysPerUserQuota": quotas.access_keys_per_user,
        "GroupsPerUserQuota": quotas.groups_per_user,
        "AttachedPoliciesPerUserQuota": quotas.attached_policies,
        "AttachedPoliciesPerGroupQuota": quotas.attached_policies,
        "AttachedPoliciesPerRoleQuota": quotas.attached_policies,
        "VersionsPerPolicyQuota": quotas.policy_versions,
        "PolicyVersionsInUseQuota": quotas.policies * quotas.policy_versions,
        "PolicySizeQuota": quotas.managed_policy_characters,
        "UserPolicySizeQuota": quotas.inline_user_characters,
        "GroupPolicySizeQuota": quotas.inline_group_characters,
        "RolePolicySizeQuota": quotas.inline_role_characters,
        "AssumeRolePolicySizeQuota": quotas.trust_policy_characters,
        "ServerCertificatesQuota": 0,
        "SigningCertificatesPerUserQuota": 0,
    }


OPERATIONS = (GetAccountSummary(),)
