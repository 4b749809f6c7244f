"""The contents of a store, as a file that `daypass apply` accepts.

Pure. Owns the choice of fields: defaults are omitted, and `requireMfa` is recognized. Secrets are never written, only
references to them; those of access keys only on request. One account is exported at a time, because a store may not fit
into memory. Leaves the text of the file to export_text.py.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from daypass.apply.file.desired import KINDS, require_mfa_arn, require_mfa_policy
from daypass.apply.file.nodes import FilePosition
from daypass.apply.file.state import (
    ATTRIBUTES,
    AttributeType,
    ClientSecretValue,
    KeyValue,
    State,
    Thing,
    ThingAttribute,
    of_kind,
)
from daypass.apply.plan.differences import normal
from daypass.arn import iam_arn


@dataclass(frozen=True, slots=True)
class ExportedAccount:
    """The fields of one account in the file."""

    account: str
    fields: Mapping[str, Any]


def export_head(units: State) -> dict[str, Any]:
    """Return the part of the file before its accounts.

    `units` contains the units of the organization, or no entities if they are not exported.
    """
    exported = {unit.name: _fields(unit, (), with_keys=False) for unit in of_kind(units, "unit")}
    return {"version": 1, **({"organization": {"units": exported}} if exported else {})}


def export_account(present: State, standing: str, *, with_keys: bool) -> ExportedAccount:
    """Return one account of the file.

    `present` contains its entities only. `standing` is its role in the organization, or empty if it is not exported.
    """
    (account,) = of_kind(present, "account")
    fields = {
        **_fields(account, (), with_keys=with_keys),
        **_sections(present, account.account, with_keys=with_keys),
    }
    if standing not in {"", "member"}:
        fields["standing"] = standing
    return ExportedAccount(account.account, fields)


def _sections(present: State, account: str, *, with_keys: bool) -> dict[str, Any]:
    mfa = require_mfa_policy(account, FilePosition())
    stored = present.get(mfa.key)
    has_mfa = stored is not None and all(
        normal(stored.value(name)) == normal(mfa.value(name)) for name in ATTRIBUTES["policy"]
    )
    hidden = {require_mfa_arn(account)} if has_mfa and _is_used(present, account) else set()
    sections: dict[str, Any] = {}
    for section, kind in KINDS.items():
        things = {
            thing.name: _fields(thing, hidden, with_keys=with_keys)
            for thing in of_kind(present, kind, account)
            if not thing.protected and not (hidden and thing.key == mfa.key)
        }
        if things:
            sections[section] = things
    return sections


def _is_used(present: State, account: str) -> bool:
    arn = require_mfa_arn(account)
    return any(
        arn in thing.value("policies") for kind in ("user", "group") for thing in of_kind(present, kind, account)
    )


def _fields(thing: Thing, hidden: Iterable[str], *, with_keys: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, rule in ATTRIBUTES[thing.kind].items():
        value = thing.value(name)
        if name in _SECRETS:
            value = {named: _SECRETS[name](named, key) for named, key in value.items()} if with_keys else {}
        if value == ({} if rule.has_parts else rule.default) or (name == "unit" and not value):
            continue
        fields[name] = sorted(value) if name in {"policies", "groups", "clientIds"} else _written(rule, value)
    _fold_mfa(thing, fields, set(hidden))
    _shorten(thing, fields)
    if thing.unresolved:
        fields["strangers"] = sorted(thing.unresolved)
    return fields


def _written(rule: ThingAttribute, value: Any) -> Any:
    if isinstance(value, ClientSecretValue):
        return {"secret": value.name}
    return json.loads(value) if rule.form is AttributeType.JSON else value


def _fold_mfa(thing: Thing, fields: dict[str, Any], hidden: set[str]) -> None:
    if thing.kind not in {"user", "group"} or not hidden & set(fields.get("policies", ())):
        return
    fields["requireMfa"] = True
    fields["policies"] = [arn for arn in fields["policies"] if arn not in hidden]
    if not fields["policies"]:
        del fields["policies"]


def _shorten(thing: Thing, fields: dict[str, Any]) -> None:
    """Replace the ARNs of the account's own policies below `/` by names.

    So the file suits another account.
    """
    prefix = iam_arn(thing.account, "policy", "/", "")

    def short(arn: str) -> str:
        name = arn.removeprefix(prefix)
        return arn if "/" in name else name

    if "policies" in fields:
        fields["policies"] = [short(arn) for arn in fields["policies"]]
    if "boundary" in fields:
        fields["boundary"] = short(fields["boundary"])


def _access_key(key_id: str, key: KeyValue) -> dict[str, Any]:
    return {"secretAccessKey": {"secret": key_id}, **({} if key.active else {"status": "Inactive"})}


# Attribute whose parts contain secrets -> the part with a reference instead of the secret.
_SECRETS: Mapping[str, Callable[[str, Any], dict[str, Any]]] = {
    "accessKeys": _access_key,
    "privateKeys": lambda _, key: {"secret": key.id},
}
