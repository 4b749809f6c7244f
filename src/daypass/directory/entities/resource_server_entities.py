"""The registration of a resource server as a frozen value.

Owns its fields and its ARN. A registration limits what a resource server may ever ask for; IAM policies decide which
principal may act as that resource server.
"""

from datetime import datetime

from daypass.directory.entities.iam_entities import Entity

EVERY_ACCOUNT = "*"


class ResourceServer(Entity, frozen=True, kw_only=True):
    """A registered resource server, such as an S3 gateway on another machine.

    - `name` is unique among all accounts. `account` owns the registration: it is the account of the ARN.
    - `service` and `regions` are the only ones whose signing keys it may get.
    - `accounts` are the accounts whose callers it may serve, or EVERY_ACCOUNT alone.
    - `salt` hides the names of records in the change feed: without it, a resource server could test guesses of names.
    """

    name: str
    account: str
    service: str
    regions: tuple[str, ...]
    accounts: tuple[str, ...]
    created: datetime
    salt: bytes

    @property
    def arn(self) -> str:
        """The ARN that the policies of its principal name."""
        return resource_server_arn(self.account, self.name)

    def serves(self, account: str) -> bool:
        """Return whether it may serve callers of an account, and its buckets."""
        return account in self.accounts or self.accounts == (EVERY_ACCOUNT,)


def resource_server_arn(account: str, name: str) -> str:
    """Return the ARN of a registration."""
    return f"arn:aws:daypass::{account}:resource-server/{name}"
