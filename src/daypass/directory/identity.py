"""The cached reads of every request.

They are a principal with its compiled policies, a role with its trust policy, and an account's SCPs and RCPs. Owns the
loaders: pure functions of a Reader whose results the cache keeps until a record changes. An unreadable policy stops the
load: a decision never rests on a part of the policies.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import msgspec

from daypass.arn import Arn, account_in_arn, root_arn
from daypass.directory import records
from daypass.directory.entities.iam_entities import AccessKey, Account, Group, Holder, ManagedPolicy, Role, User
from daypass.directory.links import ATTACHED, MEMBER
from daypass.directory.loader_marks import charged_to, keeps_little, short_load
from daypass.directory.managed_policies.aws_managed import find_aws_policy
from daypass.directory.store import Reader
from daypass.directory.unresolved_principals import trust_in_force
from daypass.policy.compiled import (
    Policy,
    PolicySet,
    PolicySource,
    PolicyType,
    compile_document,
    compile_set,
    with_source,
)
from daypass.policy.language.document import DocumentKind, parse_document


@dataclass(frozen=True, slots=True)
class Identity:
    """A user or role as a caller, with its own policies."""

    account: str
    id: str
    arn: str
    name: str
    tags: dict[str, str]
    policies: PolicySet
    boundary: PolicySet | None
    service_linked: bool = False


class AssumableRole(msgspec.Struct, frozen=True):
    """A role as a target: its compiled trust policy and its own limits."""

    account: str
    id: str
    arn: str
    name: str
    tags: dict[str, str]
    trust: PolicySet
    max_session_seconds: int
    created: datetime
    foreign: dict[str, str]
    description: str = ""
    max_signin_seconds: int | None = None


_SHORT_DOCUMENT = 2048  # characters, AWS's quota of a trust policy; longer documents are not kept in memory twice


@lru_cache(maxsize=1024)
def compiled(text: str, kind: DocumentKind, source: PolicySource) -> Policy:
    """Return the compiled form of a document.

    Each document and source is compiled once. Roles of an account often have the same trust policy, which is parsed and
    compiled once for all of them. Accounts do not share it: the time of a request must not tell the policies of another
    account.
    """
    account = account_in_arn(source.owner)
    if account and len(text) <= _SHORT_DOCUMENT:
        return with_source(_of_account(text, kind, account), source)
    return compile_document(parse_document(text, kind), source)


@lru_cache(maxsize=512)
def _of_account(text: str, kind: DocumentKind, account: str) -> Policy:
    """Return a document as a policy of the account itself."""
    return compile_document(parse_document(text, kind), PolicySource(PolicyType.RESOURCE, "", root_arn(account)))


def managed_text(reader: Reader, arn: str) -> str | None:
    """Return the default document of a managed policy, or None.

    It is the account's or AWS's.
    """
    policy = find_managed(reader, arn)
    return None if policy is None else policy.document


def find_managed(reader: Reader, arn: str) -> ManagedPolicy | None:
    """Return a managed policy of the account or of AWS by ARN, or None."""
    parts = Arn.find(arn)
    if parts is None or parts.service != "iam" or not parts.resource.startswith("policy/"):
        return None
    if parts.account == "aws":
        return find_aws_policy(arn)
    found = records.find(reader, ManagedPolicy, parts.account, parts.resource.rpartition("/")[2])
    return found if found is not None and found.arn == arn else None


def attached_policies(reader: Reader, holder: Holder) -> list[Policy]:
    """Return the compiled policies of one user, group or role.

    Inline policies come first, by name; managed policies follow, by ARN.
    """
    arn: str = holder.arn  # type: ignore[attr-defined] # every Holder that is stored has one
    found = [
        compiled(text, DocumentKind.IDENTITY, PolicySource(PolicyType.IDENTITY, name, arn))
        for name, text in sorted(holder.inline.items())
    ]
    for link in reader.targets(ATTACHED, holder.id):
        text = managed_text(reader, link.target)
        if text is not None:
            found.append(compiled(text, DocumentKind.IDENTITY, PolicySource(PolicyType.IDENTITY, link.target, arn)))
    return found


def load_identity(reader: Reader, unique_id: str) -> Identity | None:
    """Return the user or role with this unique id, or None."""
    record = reader.find_by_id(unique_id)
    if record is None:
        return None
    if record.kind == "user":
        return _user_identity(reader, records.to_entity(User, record))
    if record.kind == "role":
        return _role_identity(reader, records.to_entity(Role, record))
    return None


def _user_identity(reader: Reader, user: User) -> Identity:
    policies = attached_policies(reader, user)
    for group in records.find_all(reader, Group, (link.target for link in reader.targets(MEMBER, user.id))):
        policies += attached_policies(reader, group)
    return _identity(reader, user, policies)


def _role_identity(reader: Reader, role: Role) -> Identity:
    return _identity(reader, role, attached_policies(reader, role))


def _identity(reader: Reader, holder: User | Role, policies: list[Policy]) -> Identity:
    return Identity(
        account=holder.account,
        id=holder.id,
        arn=holder.arn,
        name=holder.name,
        tags=holder.tags,
        policies=compile_set(policies),
        boundary=load_boundary(reader, holder.boundary),
        service_linked=isinstance(holder, Role) and holder.service_linked,
    )


def load_boundary(reader: Reader, arn: str) -> PolicySet | None:
    """Return a permissions boundary, or None if the ARN is empty.

    A deleted boundary allows no action: it is an empty set, not None.
    """
    if not arn:
        return None
    text = managed_text(reader, arn)
    if text is None:
        return compile_set(())
    return compile_set((compiled(text, DocumentKind.IDENTITY, PolicySource(PolicyType.BOUNDARY, arn)),))


@charged_to(2)
def load_session_policies(
    reader: Reader,
    arns: tuple[str, ...],
    inline: str,
    account: str = "",  # noqa: ARG001 - the cache reads it
) -> PolicySet:
    """Return a session's policies as one set.

    `account` is the session's. Managed policies apply in their present version. If one was deleted, the session cannot
    perform any action, because its denials are unknown.
    """
    found = []
    if inline:
        # A caller can send any number of these, so they are cached with their weight or not at all.
        document = parse_document(inline, DocumentKind.SESSION)
        found.append(compile_document(document, PolicySource(PolicyType.SESSION, "session-policy")))
    for arn in arns:
        text = managed_text(reader, arn)
        if text is None:
            return compile_set(())
        found.append(compiled(text, DocumentKind.IDENTITY, PolicySource(PolicyType.SESSION, arn)))
    return compile_set(found)


@charged_to(2)
def load_scope_down_policy(
    reader: Reader,  # noqa: ARG001 - every loader has one
    text: str,
    number: int,
    account: str,  # noqa: ARG001 - the cache reads it
) -> PolicySet:
    """Return a scope-down policy of GetScopedCredentials as a set.

    `number` counts the scope-down policies of the session from 1, and `account` is the session's.
    """
    # A caller can send any number of these, so they are cached with their weight or not at all.
    document = parse_document(text, DocumentKind.SESSION)
    return compile_set((compile_document(document, PolicySource(PolicyType.SESSION, f"scope-down-policy-{number}")),))


@short_load
def load_role(reader: Reader, account: str, name: str) -> AssumableRole | None:
    """Return a role as a target of AssumeRole, or None.

    The caller compares the ARN, path included.
    """
    role = records.find(reader, Role, account, name)
    if role is None:
        return None
    text = trust_in_force(reader, role.trust, role.foreign)
    trust = compiled(text, DocumentKind.TRUST, PolicySource(PolicyType.RESOURCE, "trust-policy", role.arn))
    return AssumableRole(
        account=role.account,
        id=role.id,
        arn=role.arn,
        name=role.name,
        tags=role.tags,
        trust=compile_set((trust,)),
        max_session_seconds=role.max_session_seconds,
        created=role.created,
        foreign=role.foreign,
        description=role.description,
        max_signin_seconds=role.max_signin_seconds,
    )


@short_load
def load_access_key(reader: Reader, key_id: str) -> AccessKey | None:
    """Return a long-term key by its id, or None."""
    return records.find_by_id(reader, AccessKey, key_id)


@keeps_little
def load_accounts_with(reader: Reader, kind: str) -> tuple[str, ...]:
    """Return the accounts that have a record of a kind.

    It costs one count per account, and reads no records.
    """
    accounts = (record.key for record in records.each_record(reader, Account, ""))
    return tuple(account for account in accounts if reader.count(kind, account))


@short_load
def load_account(reader: Reader, account: str) -> Account | None:
    """Return an account by its twelve digits, or None."""
    return records.find(reader, Account, "", account)
