"""Parse the elements of one statement, and refuse those that AWS refuses.

Owns the grammar of a statement and the messages of a refusal: AWS's where known; others name the path, such as
`Statement[2].Condition.StringEquals`. Source: IAM User Guide, "Grammar of the IAM JSON policy language"; recordings of
IAM's responses.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

from daypass.errors import MalformedPolicyDocument
from daypass.policy.language.known_keys import find_key
from daypass.policy.language.principal_names import parse_principals
from daypass.policy.language.resource_names import check_resource
from daypass.policy.language.statement import ConditionTest, Statement
from daypass.policy.operators.numeric_operators import find_instant
from daypass.policy.operators.table import Family, find_operator
from daypass.strict_json import NumberText


class Presence(Enum):
    """Whether a kind of policy requires, allows or forbids an element."""

    REQUIRED = "required"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class PolicyGrammar:
    """The differences between the kinds of policy.

    `check_resource` returns the reason why a resource is invalid, or None. Without it, every string is a resource.
    """

    principal: Presence
    resource: Presence
    not_principal: bool = False
    check_resource: Callable[[str], str | None] | None = check_resource
    sts_only: bool = False
    everyone_only: bool = False
    sid: re.Pattern[str] = re.compile(r"[A-Za-z0-9]*")


ELEMENTS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_VENDOR = re.compile(r"[A-Za-z0-9.*?-]+")
_ACTION_NAME = re.compile(r"[ -~]+")  # AWS accepts any name, also of actions that do not exist
_CONDITION_KEY = re.compile(r"[^\x00-\x20{}$*?\"'][^\x00-\x1f{}\"']{0,1023}")
# Dates that AWS accepts but that cannot be compared: without a zone, with an incomplete one, or a year alone.
_ODD_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[+-][0-9]{2})?"
    r"|[0-9]{1,4}[Tt]|-[0-9]{1,9}"
)


def refuse(path: str, why: str) -> NoReturn:
    """Raise MalformedPolicyDocument with our message and the path."""
    raise MalformedPolicyDocument(f"Syntax errors in policy. {path}: {why}", detail=path)


def refuse_with(words: str, path: str) -> NoReturn:
    """Raise MalformedPolicyDocument with AWS's message.

    The path is for the audit log.
    """
    raise MalformedPolicyDocument(words, detail=path)


def parse_statement(value: Any, index: int, path: str, grammar: PolicyGrammar) -> Statement:
    """Return one statement. Raises MalformedPolicyDocument if it is invalid."""
    if not isinstance(value, dict):
        refuse(path, "must be an object")
    for name in value:
        if name not in ELEMENTS:
            refuse(f"{path}.{name}", "is not a policy element")
    principals, not_principal = _principals(value, path, grammar)
    actions, not_action = _actions(value, path, grammar)
    resources, not_resource = _resources(value, path, grammar)
    return Statement(
        index=index,
        sid=_sid(value, path, grammar),
        allow=_effect(value, path),
        principals=principals,
        not_principal=not_principal,
        actions=actions,
        not_action=not_action,
        resources=resources,
        not_resource=not_resource,
        conditions=_conditions(value.get("Condition", {}), f"{path}.Condition", grammar),
    )


def _sid(value: Mapping[str, Any], path: str, grammar: PolicyGrammar) -> str:
    sid = value.get("Sid", "")
    if not _is_text(sid):
        refuse(f"{path}.Sid", "must be a string")
    if not grammar.sid.fullmatch(sid):
        refuse_with(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular "
            "expression [0-9A-Za-z]*",
            f"{path}.Sid",
        )
    return str(sid)


def _effect(value: Mapping[str, Any], path: str) -> bool:
    if "Effect" not in value:
        refuse_with("Missing required field Effect", path)
    effect = value["Effect"]
    if not _is_text(effect) or effect not in ("Allow", "Deny"):
        refuse(f"{path}.Effect", "must be Allow or Deny (case-sensitive)")
    return bool(effect == "Allow")


def _principals(value: Mapping[str, Any], path: str, grammar: PolicyGrammar) -> tuple[Any, bool]:
    found = [name for name in ("Principal", "NotPrincipal") if name in value]
    if grammar.principal is Presence.FORBIDDEN:
        if found:
            refuse_with("Policy document should not specify a principal.", f"{path}.{found[0]}")
        return None, False
    if not found:
        refuse_with("Missing required field Principal", path)
    if len(found) > 1:
        refuse(path, "has both Principal and NotPrincipal")
    inverted = found[0] == "NotPrincipal"
    if inverted and not grammar.not_principal:
        refuse_with("AssumeRole policy must not contain NotPrincipal field.", f"{path}.NotPrincipal")
    principals = parse_principals(value[found[0]], f"{path}.{found[0]}", trust=grammar.sts_only)
    if grammar.everyone_only and any(name.value != "*" for name in principals):
        refuse(f"{path}.{found[0]}", 'a resource control policy can only name the principal "*"')
    return principals, inverted


def _actions(value: Mapping[str, Any], path: str, grammar: PolicyGrammar) -> tuple[tuple[str, ...], bool]:
    name = _either(value, "Action", "NotAction", path)
    texts = _texts(value[name], f"{path}.{name}") if name else ()
    if not name or not texts:
        words = "Missing required field Action" if grammar.sts_only else "Policy statement must contain actions."
        refuse_with(words, path)
    for text in texts:
        _check_action(text, f"{path}.{name}", grammar)
    return texts, name == "NotAction"


def _check_action(text: str, path: str, grammar: PolicyGrammar) -> None:
    vendor, colon, rest = text.partition(":")
    if grammar.sts_only and vendor.lower() != "sts":
        refuse_with("AssumeRole policy may only specify STS AssumeRole actions.", path)
    if text == "*":
        return
    if not colon:
        refuse_with("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", path)
    if ":" in rest:
        refuse_with("Actions/Condition can contain only one colon.", path)
    if not _VENDOR.fullmatch(vendor):
        refuse_with(f"Vendor {vendor} is not valid", path)
    if not _ACTION_NAME.fullmatch(rest):
        refuse(path, f'"{text}" is not a valid action')


def _resources(value: Mapping[str, Any], path: str, grammar: PolicyGrammar) -> tuple[tuple[str, ...] | None, bool]:
    name = _either(value, "Resource", "NotResource", path)
    if grammar.resource is Presence.FORBIDDEN:
        if name == "Resource":
            refuse_with("Has prohibited field Resource", f"{path}.{name}")
        if name:
            refuse_with("AssumeRole policy must not contain resources.", f"{path}.{name}")
        return None, False
    texts = _texts(value[name], f"{path}.{name}") if name else ()
    if not name or not texts:
        refuse_with("Policy statement must contain resources.", path)
    if grammar.check_resource is not None:
        for text in texts:
            words = grammar.check_resource(text)
            if words is not None:
                refuse_with(words, f"{path}.{name}")
    return texts, name == "NotResource"


def _conditions(value: Any, path: str, grammar: PolicyGrammar) -> tuple[ConditionTest, ...]:
    if not isinstance(value, dict):
        refuse(path, "must be an object")
    tests: list[ConditionTest] = []
    for operator, keys in value.items():
        if not isinstance(keys, dict):
            refuse(f"{path}.{operator}", "must be an object of condition keys")
        # AWS accepts an operator without keys, even an unknown one: it always holds.
        if keys:
            tests += _tests_of(operator, keys, f"{path}.{operator}", grammar)
    return tuple(tests)


def _tests_of(operator: str, keys: Mapping[str, Any], path: str, grammar: PolicyGrammar) -> list[ConditionTest]:
    use = find_operator(operator)
    if use is None:
        refuse(path, "is not a condition operator")
    lowered: set[str] = set()
    tests = []
    for key, values in keys.items():
        if not _CONDITION_KEY.fullmatch(key):
            refuse(f"{path}.{key}", "is not a valid condition key")
        if grammar.sts_only and ":" in key and find_key(key) is None:
            refuse(f"{path}.{key}", "is not a known condition key")
        if key.lower() in lowered:
            refuse(f"{path}.{key}", "duplicate key; condition keys are not case-sensitive")
        lowered.add(key.lower())
        texts = _condition_values(values, f"{path}.{key}")
        if use.operator.family is Family.DATE:
            _check_dates(texts, f"{path}.{key}")
        tests.append(ConditionTest(operator, key, texts))
    return tests


def _condition_values(value: Any, path: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(_condition_value(one, path) for one in listed)


def _condition_value(value: Any, path: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        refuse(path, "must be a string, a number, true, false, or a list of these")
    return str(value)  # a number stays as it was written


def is_date(text: str) -> bool:
    """Return whether AWS accepts a string as a date.

    Not every such string can be compared with a date.
    """
    return find_instant(text) is not None or _ODD_DATE.fullmatch(text) is not None


def _check_dates(texts: tuple[str, ...], path: str) -> None:
    for text in texts:
        if not is_date(text):
            refuse_with("The policy failed legacy parsing", path)


def _either(value: Mapping[str, Any], name: str, inverted: str, path: str) -> str:
    if name in value and inverted in value:
        refuse(path, f"has both {name} and {inverted}")
    return name if name in value else inverted if inverted in value else ""


def _texts(value: Any, path: str) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not all(_is_text(one) for one in listed):
        refuse(path, "must be a string or a list of strings")
    return tuple(listed)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, NumberText)
