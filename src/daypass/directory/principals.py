"""The principals of a trust policy: stored by unique id, shown by ARN.

Owns both directions. A user or role that is named in a trust policy is stored under its unique id, so that one made
anew under the same name is a stranger; a policy whose principal is gone shows the bare id. What names nobody here is
refused when it is saved.
Source: IAM User Guide, "AWS JSON policy elements: Principal"; the words are AWS's.
"""

import json
from collections.abc import Callable
from typing import Any

from daypass.arn import Arn, is_account_id
from daypass.directory import records
from daypass.directory.entities import Account, Role, User
from daypass.directory.store import Reader
from daypass.directory.strangers import show_strangers
from daypass.errors import MalformedPolicyDocument

_UNIQUE = ("AIDA", "AROA")


def store_principals(reader: Reader, document: str) -> str:
    """Return a trust policy with its users and roles under their unique ids.

    `document` was parsed before. Raises MalformedPolicyDocument for a principal that is not here.
    """
    return _rewrite(document, lambda text: _to_id(reader, text))


def show_principals(reader: Reader, document: str) -> str:
    """Return a stored trust policy with its users and roles under their ARNs, and strangers under their texts."""
    return show_strangers(reader, _rewrite(document, lambda text: _to_arn(reader, text)))


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


def _to_id(reader: Reader, text: str) -> str:
    if text == "*":
        return text
    if is_account_id(text):
        _require_account(reader, text, text)
        return text
    if text.startswith(_UNIQUE):
        if reader.find_by_id(text.partition(":")[0]) is None:
            raise _invalid(text)
        return text
    arn = Arn.find(text)
    if arn is None or not is_account_id(arn.account):
        raise _invalid(text)
    if arn.service == "iam" and arn.resource == "root":
        _require_account(reader, arn.account, text)
        return text
    if arn.service == "sts":
        return _session_id(reader, arn, text)
    if arn.service == "iam":
        return _named_id(reader, arn, text)
    raise _invalid(text)


def _named_id(reader: Reader, arn: Arn, text: str) -> str:
    kind, _, rest = arn.resource.partition("/")
    type_: type[User | Role] | None = {"user": User, "role": Role}.get(kind)  # type: ignore[assignment] # two kinds
    if type_ is None:
        raise _invalid(text)
    found = records.find(reader, type_, arn.account, rest.rpartition("/")[2])
    # Names are unique without regard to case, but a principal is matched with it, path included.
    if found is None or found.arn != text:
        raise _invalid(text)
    return found.id


def _session_id(reader: Reader, arn: Arn, text: str) -> str:
    kind, _, rest = arn.resource.partition("/")
    if kind == "federated-user" and rest:
        _require_account(reader, arn.account, text)
        return text
    name, _, session = rest.partition("/")
    if kind != "assumed-role" or not session:
        raise _invalid(text)
    role = records.find(reader, Role, arn.account, name)
    if role is None or role.name != name:
        raise _invalid(text)
    return f"{role.id}:{session}"


def _require_account(reader: Reader, account: str, text: str) -> None:
    if records.find(reader, Account, "", account) is None:
        raise _invalid(text)


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
