"""Find a request context in which some conditions hold and others do not.

Owns the candidate values for each key. The compiled condition alone decides, so a wrong candidate never produces a
wrong result. Pure, and not used by any decision.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from types import MappingProxyType

from daypass.policy.authorization_request import ConditionKeys, ContextValue
from daypass.policy.condition import Holds
from daypass.policy.language.known_keys import find_key
from daypass.policy.language.statement import ConditionTest
from daypass.policy.operators.numeric_operators import find_instant, find_number
from daypass.policy.operators.table import Family, OperatorUse, Quantifier, find_operator
from daypass.policy.template import fill, fill_tokens, parse_template, pattern_tokens

_ANYTHING = "x"
# Limits the candidate values of each condition: a policy can have hundreds, and a search must end.
_MOST_TEXTS = 24
# Values that policies rarely contain, for each family of operators.
_OTHERS: Mapping[Family, tuple[str, ...]] = MappingProxyType(
    {
        Family.NUMERIC: ("0", "1000000000"),
        Family.DATE: ("2000-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
        Family.BOOL: ("true", "false"),
        Family.BINARY: ("b3RoZXI=",),
        Family.ADDRESS: ("192.0.2.1", "198.51.100.1", "10.0.0.1", "2001:db8::1", "0.0.0.0"),  # noqa: S104 - not a socket
        Family.ARN: ("arn:aws:iam::000000000000:user/other", "arn:aws:s3:::other"),
    }
)
_TEXTS = ("other", "another")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition that must hold or, if `wanted` is false, must not hold."""

    test: ConditionTest
    holds: Holds
    wanted: bool
    variables: bool

    @property
    def key(self) -> str:
        """Return the key in lower case, as in a context."""
        return self.test.key.lower()

    def is_met(self, context: ConditionKeys) -> bool:
        """Return whether a context meets the requirement."""
        return self.holds(context) is self.wanted


def find_context(requirements: Iterable[Requirement], context: ConditionKeys) -> ConditionKeys | None:
    """Return a context that meets every requirement, or None.

    As few keys as possible are changed.
    """
    every = tuple(requirements)
    found = dict(context)
    for key in dict.fromkeys(requirement.key for requirement in every):
        about = [requirement for requirement in every if requirement.key == key]
        if not all(requirement.is_met(found) for requirement in about):
            changed = _changed(key, about, found)
            if changed is None:
                return None
            found = changed
    return found if all(requirement.is_met(found) for requirement in every) else None


def _changed(key: str, about: list[Requirement], context: ConditionKeys) -> dict[str, ContextValue] | None:
    rest = {name: value for name, value in context.items() if name != key}
    for value in _values(key, about, context):
        tried = rest if value is None else {**rest, key: value}
        if all(requirement.is_met(tried) for requirement in about):
            return tried
    return None


def _values(key: str, about: list[Requirement], context: ConditionKeys) -> Iterator[ContextValue | None]:
    """Yield values for a key: first those in the conditions, last its absence."""
    known = find_key(key)
    uses = [use for use in (find_operator(requirement.test.operator) for requirement in about) if use is not None]
    several = (known is not None and known.multivalued) or any(use.quantifier is not Quantifier.NONE for use in uses)
    named = (islice(_texts(requirement, context), _MOST_TEXTS) for requirement in about)
    texts = list(dict.fromkeys(text for found in named for text in found))
    texts += [text for use in uses for text in _OTHERS.get(use.operator.family, _TEXTS)] + list(_TEXTS)
    had = context.get(key, ())
    before = (had,) if isinstance(had, str) else had
    for text in texts:
        if several:
            yield (text,)
            yield (*before, text)
        yield text
    if several:
        yield tuple(texts)
        yield from (tuple(one for one in before if one != text) for text in before)
        yield ()
    yield None


def _texts(requirement: Requirement, context: ConditionKeys) -> Iterator[str]:
    """Yield the values of the condition, and similar values."""
    use = find_operator(requirement.test.operator)
    if use is None:
        return
    for text in requirement.test.values:
        yield from _near(use, text, context, variables=requirement.variables)


def _near(use: OperatorUse, text: str, context: ConditionKeys, *, variables: bool) -> Iterator[str]:
    family = use.operator.family
    parts = parse_template(text, variables=variables)
    if family in {Family.LIKE, Family.ARN}:
        tokens = fill_tokens(pattern_tokens(parts), context)
        if tokens is not None:
            yield "".join(token if isinstance(token, str) else _ANYTHING for token in tokens)
    elif family in {Family.EQUALS, Family.EQUALS_IGNORING_CASE}:
        filled = fill(parts, context)
        if filled is not None:
            yield filled
    elif family is Family.ADDRESS:
        yield text.partition("/")[0]
    elif family in {Family.NUMERIC, Family.DATE}:
        yield text
        number = (find_number if family is Family.NUMERIC else find_instant)(text)
        yield from () if number is None else map(_plain, (number + 1, number - 1))
    elif family is not Family.NULL:
        yield text


def _plain(number: Decimal) -> str:
    return format(number, "f")
