"""The principals of a trust policy: stored by unique id, shown by ARN.

A trust policy stores unique ids, so a user or role that is deleted and created again does not match. Rules:

* Own account: a user or role that does not exist is refused with AWS's message. A principal that is deleted later is
shown as its unique id.
* Another account: no answer discloses whether the account, the user or the role exists. A missing principal gets an id
  that never matches (unresolved_principals.py), even if it is created later. All are shown as the string that the
  caller gave, even if they are renamed or deleted. Unique ids are refused, because the ARN of such an id would disclose
  its owner. Decision: docs/decisions/0016-foreign-principals.md.
* Files of operators (`daypass apply`): every principal must exist, or be marked as unresolved.

Source: IAM User Guide, "AWS JSON policy elements: Principal"; the messages are AWS's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from daypass.arn import Arn, account_in_arn, assumed_role_arn, is_account_id
from daypass.directory import records
from daypass.directory.entities.iam_entities import Account, Role, User
from daypass.directory.store import Reader
from daypass.directory.unresolved_principals import show_unresolved, unresolved_id
from daypass.errors import MalformedPolicyDocument

_UNIQUE = ("AIDA", "AROA")


@dataclass(frozen=True, slots=True)
class StoredTrust:
    """A trust policy as a role stores it.

    `foreign` maps stored ids to the given strings of other accounts' principals.
    """

    document: str
    foreign: Mapping[str, str]


StoreTrust: TypeAlias = Callable[[Reader, str, str], StoredTrust]
"""Converts the trust policy of an account's role to its stored form."""


def store_principals(reader: Reader, account: str, document: str) -> StoredTrust:
    """Return a trust policy with unique ids in place of users and roles.

    `document` was parsed before, and its role belongs to `account`. Raises MalformedPolicyDocument for a missing
    principal of this account, and for a unique id of another.
    """
    foreign: dict[str, str] = {}

    def translate(text: str) -> str:
        stored = _to_id(reader, account, text)
        if stored is None:
            stored = unresolved_id(text)
        if stored != text and _account_of(text) != account:
            foreign[stored] = text
        return stored

    return StoredTrust(_rewrite(document, translate), foreign)


def store_known_principals(reader: Reader, account: str, document: str) -> StoredTrust:
    """Do the same as `store_principals` for an operator's file.

    Raises MalformedPolicyDocument for a missing principal of any account: an operator can know which exist.
    """
    foreign: dict[str, str] = {}

    def translate(text: str) -> str:
        if text.startswith(_UNIQUE):
            if reader.find_by_id(text.partition(":")[0]) is None:
                raise _invalid(text)
            return text
        stored = _to_id(reader, account, text)
        if stored is None:
            raise _invalid(text)
        if stored != text and _account_of(text) != account:
            foreign[stored] = text
        return stored

    return StoredTrust(_rewrite(document, translate), foreign)


def show_principals(reader: Reader, document: str, foreign: Mapping[str, str]) -> str:
    """Return a stored trust policy with ARNs in place of unique ids.

    Unresolved principals and ids in `foreign` become their original strings.
    """
    return show_unresolved(reader, _rewrite(document, lambda text: foreign.get(text) or _to_arn(reader, text)))


def _rewrite(document: str, translate: Callable[[str], str]) -> str:
    policy = json.loads(document)
    statements = policy.get("Statement", [])
    changed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):  # the second in bucket policies alone
            principal = statement.get(element)
            if isinstance(principal, dict) and "AWS" in principal:
                named = principal["AWS"]
                translated: Any = [translate(one) for one in named] if isinstance(named, list) else translate(named)
                if translated != named:
                    principal["AWS"] = translated
                    changed = True
    # A document without such principals is returned unchanged.
    return json.dumps(policy, ensure_ascii=False, separators=(",", ":")) if changed else document


def _to_id(reader: Reader, account: str, text: str) -> str | None:
    """Return the stored form of a principal.

    For a missing principal, returns None for another account, and raises MalformedPolicyDocument for the own one.
    """
    if text == "*":
        return text
    if text.startswith(_UNIQUE):
        return _own_id(reader, account, text)
    named = _account_of(text)
    if not is_account_id(named):
        raise _invalid(text)
    stored = _find_named(reader, named, text)
    if stored is None and named == account:
        raise _invalid(text)
    return stored


def _own_id(reader: Reader, account: str, text: str) -> str:
    record = reader.find_by_id(text.partition(":")[0])
    if record is None or record.account != account:
        raise _invalid(text)
    return text


def _account_of(text: str) -> str:
    return text if is_account_id(text) else account_in_arn(text)


def _find_named(reader: Reader, account: str, text: str) -> str | None:
    """Return the stored form of an account, session, user or role, or None."""
    arn = Arn.find(text)
    if arn is None or (arn.service == "iam" and arn.resource == "root"):
        return _text_of_account(reader, account, text)
    if arn.service == "sts":
        return _session_id(reader, arn, text)
    if arn.service == "iam":
        return _named_id(reader, arn, text)
    raise _invalid(text)


def _named_id(reader: Reader, arn: Arn, text: str) -> str | None:
    if arn.resource.partition("/")[0] not in {"user", "role"}:
        raise _invalid(text)
    found = records.find_by_arn(reader, text)
    return None if found is None else found.id


def _session_id(reader: Reader, arn: Arn, text: str) -> str | None:
    kind, _, rest = arn.resource.partition("/")
    if kind == "federated-user" and rest:
        return _text_of_account(reader, arn.account, text)
    name, _, session = rest.partition("/")
    if kind != "assumed-role" or not session:
        raise _invalid(text)
    role = records.find(reader, Role, arn.account, name)
    # Two spellings of one session would have the same id, and only one of them could be shown.
    if role is None or assumed_role_arn(role.account, role.name, session) != text:
        return None
    return f"{role.id}:{session}"


def _text_of_account(reader: Reader, account: str, text: str) -> str | None:
    return None if records.find(reader, Account, "", account) is None else text


def _invalid(text: str) -> MalformedPolicyDocument:
    return MalformedPolicyDocument(f'Invalid principal in policy: "AWS":"{text}"')


def _to_arn(reader: Reader, text: str) -> str:
    if not text.startswith(_UNIQUE):
        return text
    unique_id, _, session = text.partition(":")
    record = reader.find_by_id(unique_id)
    if record is None:
        return text
    if record.kind == "user":
        return records.to_entity(User, record).arn
    if record.kind != "role":
        return text
    role = records.to_entity(Role, record)
    return f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{session}" if session else role.arn
