"""The identity of a deployment, as a frozen value.

Owns its field. All nodes on one store are one deployment.
"""

from daypass.directory.entities.iam_entities import Entity


class Deployment(Entity, frozen=True, kw_only=True):
    """The name that AWS's clients know this store by: 16 hexadecimal digits."""

    identifier: str
