"""The principals of a trust policy: stored by unique id, shown by ARN.

Owns both directions. A user or role that is named in a trust policy is stored under its unique id, so that one made
anew under the same name is a stranger. Rules:

* Own account: a user or role that does not exist is refused with AWS's sentence. A principal that was deleted later is
  shown as its unique id.
* Another account: no answer tells whether the account, the user or the role exists. A principal that does not exist is
  kept under an id that never matches (strangers.py), even if it is made later. Both are shown with the text that the
  caller gave, whatever becomes of them. Unique ids of another account are refused, because showing one's ARN would tell
  its owner. Decision: docs/decisions/0016-foreign-principals.md.
* Files of operators (`daypass apply`): every principal must exist, or be marked as a stranger.

Source: IAM User Guide, "AWS JSON policy elements: Principal"; the words are AWS's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from daypass.arn import Arn, assumed_role_arn, is_account_id
from daypass.directory import records
from daypass.directory.entities import Account, Role, User
from daypass.directory.store import Reader
from daypass.directory.strangers import show_strangers, unresolved_id
from daypass.errors import MalformedPolicyDocument

_UNIQUE = ("AIDA", "AROA")


@dataclass(frozen=True, slots=True)
class StoredTrust:
    """A trust policy as a role keeps it. `foreign` has the given texts of other accounts' principals, by stored id."""

    document: str
    foreign: Mapping[str, str]


StoreTrust: TypeAlias = Callable[[Reader, str, str], StoredTrust]
"""Turns the text of a trust policy of an account's role into what is stored."""


def store_principals(reader: Reader, account: str, document: str) -> StoredTrust:
    """Return a trust policy of an account's role with its users and roles under their unique ids.

    `document` was parsed before. Raises MalformedPolicyDocument for a principal of the own account that does not exist,
    and for a unique id that is not of the own account.
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
    """Do what `store_principals` does for an operator, who may know what exists.

    Raises MalformedPolicyDocument for a principal of any account that does not exist.
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
    """Return a stored trust policy with its users and roles under their ARNs, and strangers under their texts.

    The ids in `foreign` are shown as their texts there.
    """
    return show_strangers(reader, _rewrite(document, lambda text: foreign.get(text) or _to_arn(reader, text)))


def _rewrite(document: str, translate: Callable[[str], str]) -> str:
    policy = json.loads(document)
    statements = policy.get("Statement", [])
    changed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        if isinstance(principal, dict) and "AWS" in principal:
            named = principal["AWS"]
            translated: Any = [translate(one) for one in named] if isinstance(named, list) else translate(named)
            if translated != named:
                principal["AWS"] = translated
                changed = True
    # A text that names nobody is kept to the letter.
    return json.dumps(policy, ensure_ascii=False, separators=(",", ":")) if changed else document


def _to_id(reader: Reader, account: str, text: str) -> str | None:
    """Return what stands for a principal in a stored trust policy, or None for one of another account that is missing.

    Raises MalformedPolicyDocument for one of the own account that is missing.
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
    if is_account_id(text):
        return text
    arn = Arn.find(text)
    return "" if arn is None else arn.account


def _find_named(reader: Reader, account: str, text: str) -> str | None:
    """Return what stands for the account, session, user or role of this name, or None where it does not exist."""
    arn = Arn.find(text)
    if arn is None or (arn.service == "iam" and arn.resource == "root"):
        return _text_of_account(reader, account, text)
    if arn.service == "sts":
        return _session_id(reader, arn, text)
    if arn.service == "iam":
        return _named_id(reader, arn, text)
    raise _invalid(text)


def _named_id(reader: Reader, arn: Arn, text: str) -> str | None:
    kind, _, rest = arn.resource.partition("/")
    type_: type[User | Role] | None = {"user": User, "role": Role}.get(kind)  # type: ignore[assignment] # two kinds
    if type_ is None:
        raise _invalid(text)
    found = records.find(reader, type_, arn.account, rest.rpartition("/")[2])
    # Names are unique without regard to case, but a principal is matched with it, path included.
    return None if found is None or found.arn != text else found.id


def _session_id(reader: Reader, arn: Arn, text: str) -> str | None:
    kind, _, rest = arn.resource.partition("/")
    if kind == "federated-user" and rest:
        return _text_of_account(reader, arn.account, text)
    name, _, session = rest.partition("/")
    if kind != "assumed-role" or not session:
        raise _invalid(text)
    role = records.find(reader, Role, arn.account, name)
    # Two spellings of one session would share an id, and only one of them could be shown again.
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
