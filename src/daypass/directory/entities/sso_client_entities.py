"""A program that registered itself for signing in, as a frozen value.

Owns its fields. Anyone can register a program, so each field is what the program says about itself.
"""

from datetime import datetime

from daypass.directory.entities.iam_entities import Entity


class SsoClient(Entity, frozen=True, kw_only=True):
    """One registration.

    `network` stands for the peer that registered it: the hash of the network, because names of records contain no
    slash. `is_used` is set with the first token: used registrations are never evicted.
    """

    id: str
    network: str
    registered: datetime
    expires: datetime
    secret_hash: bytes
    name: str
    grant_types: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    is_used: bool = False
