"""The actions of IAM that Daypass performs, noun by noun."""

from daypass.operations.iam import (
    access_keys,
    attachments,
    groups,
    inline_policies,
    last_used,
    memberships,
    mfa_devices,
    mfa_tags,
    policies,
    policy_versions,
    role_updates,
    roles,
    users,
)
from daypass.operations.operation import AnyOperation

OPERATIONS: tuple[AnyOperation, ...] = (
    *access_keys.OPERATIONS,
    *attachments.OPERATIONS,
    *groups.OPERATIONS,
    *inline_policies.OPERATIONS,
    *last_used.OPERATIONS,
    *memberships.OPERATIONS,
    *mfa_devices.OPERATIONS,
    *mfa_tags.OPERATIONS,
    *policies.OPERATIONS,
    *policy_versions.OPERATIONS,
    *role_updates.OPERATIONS,
    *roles.OPERATIONS,
    *users.OPERATIONS,
)
