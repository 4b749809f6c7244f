"""The administrators of an account.

They are users or roles whose policies allow them to administer users and roles. The root user does not count: it is for
the day when all others are gone.
"""

from collections.abc import Iterator

from daypass.arn import iam_arn
from daypass.directory import records
from daypass.directory.entities.iam_entities import Role, User
from daypass.directory.identity import Identity, load_identity
from daypass.directory.store import Reader
from daypass.policy.authorization_request import AuthorizationRequest, Principal, PrincipalKind
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import Policies, decide

# The actions that an administrator can perform, with an MFA code if a policy requires one.
_ACTIONS = (
    ("iam:CreateUser", "user"),
    ("iam:AttachUserPolicy", "user"),
    ("iam:CreateAccessKey", "user"),
    ("iam:PutRolePolicy", "role"),
)
_CONTEXT = {"aws:multifactorauthpresent": "true", "aws:multifactorauthage": "1", "aws:securetransport": "true"}


def has_administrator(reader: Reader, account: str) -> bool:
    """Return whether a user or role of the account can administer it."""
    return any(_administers(load_identity(reader, unique_id), kind) for unique_id, kind in _holders(reader, account))


def _holders(reader: Reader, account: str) -> Iterator[tuple[str, PrincipalKind]]:
    for type_, kind in ((User, PrincipalKind.USER), (Role, PrincipalKind.ROLE_SESSION)):
        yield from ((entity.id, kind) for entity in records.each(reader, type_, account))


def _administers(identity: Identity | None, kind: PrincipalKind) -> bool:
    if identity is None:
        return False
    policies = Policies(identity=identity.policies, boundary=identity.boundary)
    principal = Principal(kind=kind, account=identity.account, arn=identity.arn, unique_id=identity.id)
    context = {**_CONTEXT, "aws:principalarn": identity.arn, "aws:principalaccount": identity.account}
    context |= {"aws:username": identity.name} if kind is PrincipalKind.USER else {}
    return all(
        isinstance(
            decide(
                AuthorizationRequest(
                    action=action,
                    resource=iam_arn(identity.account, noun, "/", "anybody"),
                    resource_account=identity.account,
                    principal=principal,
                    context=context,
                ),
                policies,
            ),
            Allowed,
        )
        for action, noun in _ACTIONS
    )
