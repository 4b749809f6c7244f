"""The checks of an identity policy in AWS's order, with AWS's messages.

AWS checks in passes; of two faults, that of the earlier pass gives the message:

1. the syntax of the whole document,
2. the rules of AWS's legacy parser,
3. statement ids,
4. missing elements,
5. resources,
6. actions.

Where AWS only says "Syntax errors in policy.", the position goes to the audit log. Afterwards policy/ parses the
document and makes the final decision.
Source: recordings of IAM's answers to CreatePolicy.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from daypass.errors import MalformedPolicyDocument
from daypass.policy.language.document_text import read_json
from daypass.policy.language.elements import ELEMENTS, is_date
from daypass.policy.language.resource_names import check_resource
from daypass.policy.language.saved_documents import LEGACY, check_new_resource, has_leading_space
from daypass.policy.operators.table import Family, find_operator
from daypass.strict_json import NotStrictJsonError, NumberText

_SYNTAX = "Syntax errors in policy."
_TOO_OLD = "Policy document must be version 2012-10-17 or greater."
_NOW = "2012-10-17"
_VERSIONS = frozenset({"2008-10-17", _NOW})
_PAIRS = (("Action", "NotAction"), ("Resource", "NotResource"))
_VENDOR = re.compile(r"[A-Za-z0-9.*?-]+")
_NOT_AN_ARN = re.compile(r"[^:]*:")

Statement = Mapping[str, Any]


def check_identity_policy(text: str, *, managed: bool) -> None:
    """Refuse an identity policy with AWS's message.

    A managed policy must have the version 2012-10-17. Raises MalformedPolicyDocument.
    """
    try:
        policy = read_json(text)
    except NotStrictJsonError as problem:
        _refuse(_SYNTAX, str(problem))
    statements = _check_syntax(policy)
    if managed and policy.get("Version") != _NOW:
        _refuse(_TOO_OLD, "Version")
    if has_leading_space(text):
        _refuse(LEGACY, "the text begins with white space")
    for check in _PASSES:
        check(statements)


def _refuse(words: str, place: str) -> NoReturn:
    raise MalformedPolicyDocument(words, detail=place)


# The syntax ---------------------------------------------------------------------------------------------------


def _check_syntax(policy: Any) -> list[Statement]:
    _expect(isinstance(policy, dict), "policy")
    for name, value in policy.items():
        _expect(name in {"Version", "Id", "Statement"}, name)
        _expect(name == "Statement" or _is_text(value), name)
    _expect(policy.get("Version", _NOW) in _VERSIONS, "Version")
    statements = _listed(policy.get("Statement", []))
    _expect(bool(statements), "Statement")
    for index, statement in enumerate(statements):
        _check_statement(statement, f"Statement[{index}]")
    return statements


def _check_statement(statement: Any, path: str) -> None:
    _expect(isinstance(statement, dict), path)
    for name in statement:
        _expect(name in ELEMENTS, f"{path}.{name}")
    _expect(_is_text(statement.get("Sid", "")), f"{path}.Sid")
    effect = statement.get("Effect")
    _expect(_is_text(effect) and effect.lower() in {"allow", "deny"}, f"{path}.Effect")
    for pair in _PAIRS:
        _expect(not all(name in statement for name in pair), f"{path}.{pair[1]}")
        for name in pair:
            _expect(all(map(_is_text, _listed(statement.get(name, [])))), f"{path}.{name}")
    _check_conditions(statement.get("Condition", {}), f"{path}.Condition")


def _check_conditions(conditions: Any, path: str) -> None:
    _expect(isinstance(conditions, dict), path)
    for operator, keys in conditions.items():
        _expect(isinstance(keys, dict), f"{path}.{operator}")
        _expect(not keys or find_operator(operator) is not None, f"{path}.{operator}")
        for key, values in keys.items():
            _expect(all(isinstance(value, str | bool) for value in _listed(values)), f"{path}.{operator}.{key}")


def _expect(holds: object, place: str) -> None:
    if not holds:
        _refuse(_SYNTAX, place)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, NumberText)


# The later passes ---------------------------------------------------------------------------------------------


def _check_legacy(statements: list[Statement]) -> None:
    for index, statement in enumerate(statements):
        path = f"Statement[{index}]"
        if statement["Effect"] not in {"Allow", "Deny"}:
            _refuse(LEGACY, f"{path}.Effect")
        if any(check_resource(text) == LEGACY for text in _texts(statement, "Resource", "NotResource")):
            _refuse(LEGACY, f"{path}.Resource")
        for date in _dates(statement):
            if not is_date(date):
                _refuse(LEGACY, f"{path}.Condition")


def _dates(statement: Statement) -> Iterator[str]:
    for operator, keys in statement.get("Condition", {}).items():
        use = find_operator(operator)
        if use is not None and use.operator.family is Family.DATE:
            for values in keys.values():
                yield from (str(value) for value in _listed(values))


def _check_sids(statements: list[Statement]) -> None:
    seen: set[str] = set()
    for index, statement in enumerate(statements):
        sid = statement.get("Sid", "")
        if sid and sid in seen:
            _refuse("Statement IDs (SID) in a single policy must be unique.", f"Statement[{index}].Sid")
        seen.add(sid)


def _check_presence(statements: list[Statement]) -> None:
    for index, statement in enumerate(statements):
        for pair, words in zip(_PAIRS, ("actions", "resources"), strict=True):
            if not _texts(statement, *pair):
                _refuse(f"Policy statement must contain {words}.", f"Statement[{index}]")


def _check_resources(statements: list[Statement]) -> None:
    for index, statement in enumerate(statements):
        for text in _texts(statement, "Resource", "NotResource"):
            words = check_new_resource(_as_arn(text))
            if words is not None:
                _refuse(words, f"Statement[{index}].Resource")


def _as_arn(text: str) -> str:
    """Return a resource as AWS reads it.

    AWS reads any text before the first colon as `arn`.
    """
    if not _NOT_AN_ARN.match(text) or text.startswith("arn:"):
        return text
    return "arn" + text[text.index(":") :]


def _check_actions(statements: list[Statement]) -> None:
    for index, statement in enumerate(statements):
        for text in _texts(statement, "Action", "NotAction"):
            words = _words_for_action(text)
            if words is not None:
                _refuse(words, f"Statement[{index}].Action")


def _words_for_action(text: str) -> str | None:
    vendor, colon, rest = text.partition(":")
    if text == "*":
        return None
    if not colon:
        return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
    if ":" in rest:
        return "Actions/Condition can contain only one colon."
    return None if _VENDOR.fullmatch(vendor) else f"Vendor {vendor} is not valid"


def _texts(statement: Statement, *names: str) -> list[str]:
    return [text for name in names for text in _listed(statement.get(name, []))]


_PASSES: tuple[Callable[[list[Statement]], None], ...] = (
    _check_legacy,
    _check_sids,
    _check_presence,
    _check_resources,
    _check_actions,
)
