"""The permissions that each operation needs.

Owns the table of operations, actions and resources. Leaves the condition keys to conditions.py.
"""

import msgspec


class Permission(msgspec.Struct, frozen=True):
    """One action on one resource, which the caller must be allowed.

    `resource` is an ARN or "*". `bucket` is the bucket of the resource, or empty for "*".
    """

    action: str
    resource: str
    bucket: str
