"""The table of IAM actions that Daypass performs, by noun."""

from daypass.operations.iam import renames, tag_actions, unsupported_actions
from daypass.operations.iam.account import (
    account_aliases,
    account_details,
    account_summary,
    credential_reports,
    organization_features,
    outbound_federation,
    password_policies,
    token_preferences,
)
from daypass.operations.iam.delegation import delegation_decisions, delegation_requests
from daypass.operations.iam.identities import (
    access_keys,
    groups,
    instance_profiles,
    last_used,
    memberships,
    role_updates,
    roles,
    service_access,
    service_linked_roles,
    users,
)
from daypass.operations.iam.mfa import mfa_devices
from daypass.operations.iam.policies import (
    attachments,
    boundary_changes,
    inline_policies,
    managed_policies,
    policy_attachments,
    policy_versions,
)
from daypass.operations.iam.providers import oidc_providers, saml_providers
from daypass.operations.iam.simulate import context_keys, simulation
from daypass.operations.operation import AnyOperation

OPERATIONS: tuple[AnyOperation, ...] = (
    *access_keys.OPERATIONS,
    *account_aliases.OPERATIONS,
    *account_details.OPERATIONS,
    *account_summary.OPERATIONS,
    *attachments.OPERATIONS,
    *boundary_changes.OPERATIONS,
    *context_keys.OPERATIONS,
    *credential_reports.OPERATIONS,
    *delegation_decisions.OPERATIONS,
    *delegation_requests.OPERATIONS,
    *groups.OPERATIONS,
    *inline_policies.OPERATIONS,
    *instance_profiles.OPERATIONS,
    *last_used.OPERATIONS,
    *memberships.OPERATIONS,
    *mfa_devices.OPERATIONS,
    *oidc_providers.OPERATIONS,
    *organization_features.OPERATIONS,
    *outbound_federation.OPERATIONS,
    *password_policies.OPERATIONS,
    *managed_policies.OPERATIONS,
    *policy_attachments.OPERATIONS,
    *policy_versions.OPERATIONS,
    *unsupported_actions.OPERATIONS,
    *renames.OPERATIONS,
    *role_updates.OPERATIONS,
    *roles.OPERATIONS,
    *saml_providers.OPERATIONS,
    *service_access.OPERATIONS,
    *service_linked_roles.OPERATIONS,
    *simulation.OPERATIONS,
    *tag_actions.OPERATIONS,
    *token_preferences.OPERATIONS,
    *users.OPERATIONS,
)
