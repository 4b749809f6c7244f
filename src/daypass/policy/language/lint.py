"""Warnings about policies that are legal but probably not as intended.

Owns the rules, one function each, listed in RULES, and the test whether an operator can read a condition's value:
others never match.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from daypass.policy.language.document import Document, DocumentKind
from daypass.policy.language.known_keys import KeyType, find_key, is_foreign
from daypass.policy.language.statement import ConditionTest, Statement
from daypass.policy.operators.numeric_operators import find_bytes, find_instant, find_network, find_number
from daypass.policy.operators.table import Family, OperatorUse, Quantifier, find_operator
from daypass.policy.template import parse_template, parts_of_arn, pattern_tokens

_ARN_PARTS = 6


@dataclass(frozen=True, slots=True)
class LintWarning:
    """One warning: the path, the rule, and the correction."""

    path: str
    rule: str
    message: str


Rule = Callable[[Document, Statement], Iterator[tuple[str, str]]]
"""Yields a path below the statement, and a message."""

_ASSUME = "sts:assumerole"
_WEB, _SAML = "sts:assumerolewithwebidentity", "sts:assumerolewithsaml"
_BESIDE = frozenset({"sts:tagsession", "sts:setsourceidentity", "sts:setcontext"})
_KEY_ACTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "sts:externalid": frozenset({_ASSUME}) | _BESIDE,
        "sts:rolesessionname": frozenset({_ASSUME, _WEB, _SAML}) | _BESIDE,
        "sts:durationseconds": frozenset({"sts:getservicebearertoken", "sts:getwebidentitytoken"}),
        "sts:taskpolicyarn": frozenset({"sts:assumeroot"}),
        "sts:identitytokenaudience": frozenset({"sts:getwebidentitytoken"}),
        "sts:signingalgorithm": frozenset({"sts:getwebidentitytoken"}),
        "sts:roleauthorizedbyidp": frozenset({_WEB}),
    }
)


def lint(document: Document) -> tuple[LintWarning, ...]:
    """Return all warnings, in the order of statements and rules."""
    return tuple(
        LintWarning(f"Statement[{statement.index}]{path}", rule, message)
        for statement in document.statements
        for rule, check in RULES.items()
        for path, message in check(document, statement)
    )


def _open_principal(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    everyone = any(name.value == "*" for name in statement.principals or ())
    if statement.allow and everyone and not statement.not_principal and not statement.conditions:
        yield ".Principal", "everyone in every account is allowed; add a condition, or list the principals"


def _allow_with_not(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    found = {
        "NotPrincipal": statement.not_principal,
        "NotAction": statement.not_action,
        "NotResource": statement.not_resource,
    }
    for element in (element for element, used in found.items() if used and statement.allow):
        yield f".{element}", f"Allow with {element} allows everything that is not listed, also future additions"


def _allow_for_all(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    present = {
        test.key.lower() for test in statement.conditions if test.operator == "Null" and test.values == ("false",)
    }
    for path, test, use in _uses(statement):
        if statement.allow and use.quantifier is Quantifier.ALL and test.key.lower() not in present:
            add = f'add "Null": {{"{test.key}": "false"}}'
            yield path, f"ForAllValues is true where {test.key} is absent; {add}"


def _quantifier(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    for path, test, use in _uses(statement):
        known = find_key(test.key)
        if known is None or use.operator.family is Family.NULL:
            continue
        plain = use.quantifier is Quantifier.NONE
        if known.multivalued and plain:
            yield (
                path,
                f"{test.key} may have several values: an Allow does not apply then, a Deny does; use ForAnyValue",
            )
        if not known.multivalued and not plain and not is_foreign(test.key):
            yield path, f"{test.key} has one value; {use.quantifier.value} is not needed"


def _unknown_key(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    for path, test, _use in _uses(statement):
        if find_key(test.key) is None:
            yield path, f"requests do not have the key {test.key}; check its name"


def _key_of_other_action(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    listed = {action.lower() for action in statement.actions}
    if statement.not_action or any("*" in action or "?" in action for action in listed):
        return
    for path, test, _use in _uses(statement):
        actions = _KEY_ACTIONS.get(test.key.lower())
        if actions is not None and not listed & actions:
            yield path, f"{test.key} is not part of a request for {', '.join(statement.actions)}"


def _literal_wildcard(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    for path, test, use in _uses(statement):
        literal = use.operator.family in {Family.EQUALS, Family.EQUALS_IGNORING_CASE}
        if literal and any("*" in value.replace("${*}", "") for value in test.values):
            yield path, f"* is not a wildcard with {test.operator}; use the Like operator"


def _old_version(document: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    texts = [*(statement.resources or ()), *(value for test in statement.conditions for value in test.values)]
    if not document.variables and any("${" in text for text in texts):
        yield "", '${…} is not a variable here; variables need "Version": "2012-10-17"'


def _value_that_never_matches(document: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    for path, test, use in _uses(statement):
        for value in unreadable_values(use, test.values, variables=document.variables):
            yield path, f'"{value}" is not a valid value for {test.operator} and never matches'


def _text_for_address(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    families = {Family.ADDRESS, Family.NULL}
    for path, test, use in _uses(statement):
        known = find_key(test.key)
        if known is not None and known.type is KeyType.IP and use.operator.family not in families:
            yield path, f"{test.key} is an address; compare it with IpAddress or NotIpAddress"


def _mfa_without_if_exists(_: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    for path, test, _use in _uses(statement):
        if statement.allow or test.operator != "Bool" or test.key.lower() != "aws:multifactorauthpresent":
            continue
        if "false" in test.values:
            yield path, "calls with long-term keys do not have this key and pass the Deny; use BoolIfExists"


def _federation_without_subject(document: Document, statement: Statement) -> Iterator[tuple[str, str]]:
    if document.kind is not DocumentKind.TRUST or not statement.allow:
        return
    if _WEB not in {action.lower() for action in statement.actions}:
        return
    if not any(test.key.lower().endswith((":sub", ":id", ":user_id")) for test in statement.conditions):
        yield "", "every user of this issuer is trusted; add a condition on its :sub"


def _uses(statement: Statement) -> Iterator[tuple[str, ConditionTest, OperatorUse]]:
    for test in statement.conditions:
        use = find_operator(test.operator)
        if use is not None:
            yield f".Condition.{test.operator}.{test.key}", test, use


def _is_truth(text: str) -> bool:
    return text.lower() in {"true", "false"}


_READABLE: Mapping[Family, Callable[[str], bool]] = MappingProxyType(
    {
        Family.NUMERIC: lambda text: find_number(text) is not None,
        Family.DATE: lambda text: find_instant(text) is not None,
        Family.ADDRESS: lambda text: find_network(text) is not None,
        Family.BINARY: lambda text: find_bytes(text) is not None,
        Family.BOOL: _is_truth,
        Family.NULL: _is_truth,
    }
)


def unreadable_values(use: OperatorUse, values: Sequence[str], *, variables: bool) -> Iterator[str]:
    """Yield the values that can never match."""
    readable = _READABLE.get(use.operator.family)
    for value in values:
        if readable is not None and not readable(value):
            yield value
        if use.operator.family is Family.ARN and not _is_arn_pattern(value, variables=variables):
            yield value


def _is_arn_pattern(text: str, *, variables: bool) -> bool:
    parts = parts_of_arn(pattern_tokens(parse_template(text, variables=variables)))
    whole_variable = variables and text.startswith("${") and text.endswith("}")
    return whole_variable or (len(parts) == _ARN_PARTS and parts[0] == ["arn"])


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "open-principal": _open_principal,
        "allow-with-not": _allow_with_not,
        "allow-for-all-values": _allow_for_all,
        "set-operator": _quantifier,
        "unknown-key": _unknown_key,
        "key-of-other-action": _key_of_other_action,
        "literal-wildcard": _literal_wildcard,
        "old-version": _old_version,
        "unreadable-value": _value_that_never_matches,
        "text-for-address": _text_for_address,
        "mfa-without-if-exists": _mfa_without_if_exists,
        "federation-without-subject": _federation_without_subject,
    }
)
