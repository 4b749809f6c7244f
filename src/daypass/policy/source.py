"""The origin of a policy.

Owns the types of policy and the name of one policy. Source: IAM User Guide, "Policies and permissions in IAM: policy
types".
"""

from enum import Enum

import msgspec


class PolicyType(Enum):
    """A type of policy, by AWS's name.

    A role's trust policy is a resource policy.
    """

    __hash__ = object.__hash__  # each member is one object; Enum's own hash is a call of Python

    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    SERVICE_CONTROL = "service control policy"
    RESOURCE_CONTROL = "resource control policy"
    RESOURCE = "resource-based policy"


class PolicySource(msgspec.Struct, frozen=True):
    """One policy: its type, its ARN or inline name, and its owner.

    The owner is the ARN of a user, group or role.
    """

    type: PolicyType
    id: str
    owner: str = ""
