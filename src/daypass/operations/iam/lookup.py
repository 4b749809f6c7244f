"""Find the entities that a request names, with AWS's errors.

Owns the messages of NoSuchEntity and EntityAlreadyExists. An ARN never gives access to a managed policy of another
account.
Source: AWS's recorded answers.
"""

from typing import Any, TypeVar

from daypass.arn import Arn, iam_arn
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account, Entity, Group, InstanceProfile, ManagedPolicy, Role, User
from daypass.directory.identity import find_managed
from daypass.directory.store import Reader, Writer
from daypass.errors import EntityAlreadyExists, InvalidInput, LimitExceeded, NoSuchEntity, UnmodifiableEntity

N = TypeVar("N", bound=User | Group | Role | InstanceProfile)

KINDS: dict[type[Entity], str] = {
    User: "user",
    Group: "group",
    Role: "role",
    InstanceProfile: "instance-profile",
}
_MISSING: dict[type[Entity], str] = {
    User: "The user with name {} cannot be found.",
    Group: "The group with name {} cannot be found.",
    Role: "The role with name {} cannot be found.",
    InstanceProfile: "Instance Profile {} cannot be found.",
}
_TAKEN: dict[type[Entity], str] = {
    User: "User with name {} already exists.",
    Group: "Group with name {} already exists.",
    Role: "Role with name {} already exists.",
    InstanceProfile: "Instance Profile {} already exists.",
    ManagedPolicy: "A policy called {} already exists. Duplicate names are not allowed.",
}


def get_named(reader: Reader, type_: type[N], account: str, name: str) -> N:
    """Return the entity with this name, or raise NoSuchEntity.

    `type_` is User, Group, Role or InstanceProfile.
    """
    found = records.find(reader, type_, account, name)
    if found is None:
        raise NoSuchEntity(_MISSING[type_].format(name))
    return found


def get_account(reader: Reader, account: str) -> Account:
    """Return the caller's account. It exists as long as the caller does."""
    found = records.find(reader, Account, "", account)
    if found is None:
        raise NoSuchEntity(f"The account {account} cannot be found.")
    return found


def arn_of(reader: Reader, type_: type[N], account: str, name: str) -> str:
    """Return the ARN for a permission check.

    A missing entity gets an ARN with the path `/`, because the check comes first.
    """
    found = records.find(reader, type_, account, name)
    return iam_arn(account, KINDS[type_], "/", name) if found is None else found.arn


def find_policy(reader: Reader, account: str, arn: str) -> ManagedPolicy | None:
    """Return a managed policy of the account or of AWS, or None.

    A policy of another account counts as missing.
    """
    found = find_managed(reader, arn)
    return found if found is not None and found.account in {"aws", account} else None


def get_policy(reader: Reader, account: str, arn: str) -> ManagedPolicy:
    """Return a managed policy of the account or of AWS, or raise NoSuchEntity."""
    require_policy_arn(arn)
    found = find_policy(reader, account, arn)
    if found is None:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    return found


def get_own_policy(reader: Reader, account: str, arn: str) -> ManagedPolicy:
    """Return a managed policy that the account can change.

    Raises UnmodifiableEntity for an AWS managed policy.
    """
    found = get_policy(reader, account, arn)
    if found.account == "aws":
        raise UnmodifiableEntity(f"Policy {arn} is an AWS managed policy and cannot be changed.")
    return found


def is_policy_arn(arn: str) -> bool:
    """Tell whether a string has the form of a managed policy's ARN."""
    parts = Arn.find(arn)
    return parts is not None and parts.service == "iam" and parts.resource.startswith("policy/")


def require_policy_arn(arn: str) -> None:
    """Refuse a string that is not the ARN of a managed policy."""
    if not is_policy_arn(arn):
        raise InvalidInput(f"ARN {arn} is not valid.")


def insert_named(writer: Writer, entity: Any) -> None:
    """Store a new named entity, or raise EntityAlreadyExists."""
    records.insert_new(writer, entity, EntityAlreadyExists(_TAKEN[type(entity)].format(entity.name)))


def show_named(entity: User | Group | Role | InstanceProfile) -> dict[str, Any]:
    """Return the members that every answer shows of an entity with a path.

    The names of two of them begin with its kind, such as UserName and UserId.
    """
    word = type(entity).__name__
    return {
        "Path": entity.path,
        f"{word}Name": entity.name,
        f"{word}Id": entity.id,
        "Arn": entity.arn,
        "CreateDate": entity.created,
    }


def check_quota(reader: Reader, type_: type[Entity], account: str, *, name: str, most: int) -> None:
    """Refuse another entity of a type if the account has the maximum number."""
    if reader.count(records.kind_name(type_), account) >= most:
        raise LimitExceeded(f"Cannot exceed quota for {name}: {most}")


def require_changeable(entity: User | Group | Role) -> None:
    """Refuse to change a service-linked role: only its service can change it."""
    if isinstance(entity, Role) and entity.service_linked:
        raise UnmodifiableEntity(
            f"Cannot perform the operation on the protected role '{entity.name}' - this role is only modifiable by AWS"
        )
