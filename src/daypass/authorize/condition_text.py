"""Describe how a request must be so that a condition holds, or does not.

Owns the sentences of remedies. Each ends with the condition as its policy writes it, so that readers need not guess.
"""

from collections.abc import Callable, Mapping

from daypass.policy.language.statement import ConditionTest
from daypass.policy.operators.table import Family, OperatorUse, Quantifier, Relation, find_operator

_MFA = "Use an MFA code: --mfa-serial auto."
_TLS = "Make the call over TLS, to an https URL."

# Predicates for true and false, by family and relation, with `{}` for the policy's values.
_IS: Mapping[Family, tuple[str, str]] = {
    Family.EQUALS: ("be {}", "not be {}"),
    Family.EQUALS_IGNORING_CASE: ("be {}, in upper or lower case", "not be {}, in upper or lower case"),
    Family.LIKE: ("match {}", "not match {}"),
    Family.ARN: ("match {}", "not match {}"),
    Family.BOOL: ("be {}", "not be {}"),
    Family.BINARY: ("be {}", "not be {}"),
    Family.ADDRESS: ("be in {}", "be outside of {}"),
}
_ORDER: Mapping[Family, Mapping[Relation, tuple[str, str]]] = {
    Family.NUMERIC: {
        Relation.EQUAL: ("be {}", "not be {}"),
        Relation.LESS: ("be less than {}", "be at least {}"),
        Relation.LESS_OR_EQUAL: ("be at most {}", "be more than {}"),
        Relation.GREATER: ("be more than {}", "be at most {}"),
        Relation.GREATER_OR_EQUAL: ("be at least {}", "be less than {}"),
    },
    Family.DATE: {
        Relation.EQUAL: ("be {}", "not be {}"),
        Relation.LESS: ("be before {}", "not be before {}"),
        Relation.LESS_OR_EQUAL: ("be no later than {}", "be after {}"),
        Relation.GREATER: ("be after {}", "be no later than {}"),
        Relation.GREATER_OR_EQUAL: ("be no earlier than {}", "be before {}"),
    },
}

# Names of keys in sentences; with a final slash, of a family of keys.
_SUBJECTS: Mapping[str, str] = {
    "aws:currenttime": "The time of the call",
    "aws:epochtime": "The time of the call",
    "aws:multifactorauthage": "The age of the MFA code in seconds (--mfa-serial auto)",
    "aws:principalarn": "The ARN of the caller",
    "aws:principaltag/": "The tag {} of the calling user, role or session",
    "aws:requesttag/": "The tag {} that the request sends",
    "aws:resourcetag/": "The tag {} of the resource",
    "aws:sourceidentity": "The source identity of the calling session",
    "aws:sourceip": "The source IP address of the call",
    "aws:tagkeys": "The tag keys that the request sends",
    "iam:resourcetag/": "The tag {} of the resource",
    "sts:externalid": "The external ID that the request sends (--external-id)",
    "sts:rolesessionname": "The role session name",
    "sts:sourceidentity": "The source identity that the request sends",
}


def say_requirement(test: ConditionTest, *, wanted: bool) -> str:
    """Return the requirement for a request as a sentence.

    With `wanted` false, the condition must not hold.
    """
    written = f"({test.operator} {test.key}: {', '.join(test.values) or 'no value'})"
    use = find_operator(test.operator)
    if use is None:
        return f"The condition must {'hold' if wanted else 'not hold'}. {written}"
    special = _SPECIAL.get(test.key.lower())
    words = special(use, test, wanted) if special else ""
    return f"{words or _general(use, test, wanted=wanted)} {written}"


def _general(use: OperatorUse, test: ConditionTest, *, wanted: bool) -> str:
    subject = _subject(test.key)
    if use.operator.family is Family.NULL:
        return f"{subject} must be {'absent' if _is_absence_wanted(test) is wanted else 'present'}."
    is_so, is_not = _predicates(use, test)
    absent = ", or be absent" if _holds_absent(use) is wanted else ""
    if use.quantifier is Quantifier.NONE:
        return f"{subject} must {is_so if wanted else is_not}{absent}."
    each = "Each value of" if (use.quantifier is Quantifier.ALL) is wanted else "At least one value of"
    return f"{each} {subject[0].lower()}{subject[1:]} must {is_so if wanted else is_not}{absent}."


def _predicates(use: OperatorUse, test: ConditionTest) -> tuple[str, str]:
    row = use.operator
    pair = _IS[row.family] if row.family in _IS else _ORDER[row.family][row.relation]
    values = " or ".join(test.values) or "no value"
    is_so, is_not = (text.format(values) for text in pair)
    return (is_not, is_so) if row.negated else (is_so, is_not)


def _holds_absent(use: OperatorUse) -> bool:
    """Return whether a condition holds if the key is absent.

    See policy/condition.py.
    """
    if use.quantifier is Quantifier.NONE:
        return use.if_exists or use.operator.negated
    return use.quantifier is Quantifier.ALL or use.if_exists


def _is_absence_wanted(test: ConditionTest) -> bool:
    return "true" in {value.lower() for value in test.values}


def _subject(key: str) -> str:
    family, slash, name = key.partition("/")
    known = _SUBJECTS.get(family.lower() + slash)
    return f"The condition key {key}" if known is None else known.format(name)


def _if_true(words: str) -> Callable[[OperatorUse, ConditionTest, bool], str]:
    """Return the sentence for a key that must be true, or present."""

    def say(use: OperatorUse, test: ConditionTest, wanted: bool) -> str:  # noqa: FBT001 - as say_requirement has it
        if use.operator.family is Family.NULL:
            return words if _is_absence_wanted(test) is not wanted else ""
        is_true_wanted = {value.lower() for value in test.values} == {"true"}
        is_false_wanted = {value.lower() for value in test.values} == {"false"}
        is_plain = use.operator.family is Family.BOOL and use.quantifier is Quantifier.NONE
        return words if is_plain and ((is_true_wanted and wanted) or (is_false_wanted and not wanted)) else ""

    return say


_SPECIAL: Mapping[str, Callable[[OperatorUse, ConditionTest, bool], str]] = {
    "aws:multifactorauthpresent": _if_true(_MFA),
    "aws:securetransport": _if_true(_TLS),
}
