"""The rules for saving a document that go beyond its grammar.

A document that an earlier release saved may break them. It is still read, and its resources of other partitions match
no request.

* The text begins with the object itself, not with white space.
* A resource and a principal name the partition of this server, `aws`. A resource may have a wildcard in its place.
* A variable of a resource stands after the fifth colon: before, it would never be replaced.

Source: AWS's messages in reports of users; IAM User Guide, "IAM policy elements: Variables and tags".
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from daypass.arn import PARTITION, Arn
from daypass.policy.language.document import GRAMMARS, Document, DocumentKind, parse_with
from daypass.policy.language.elements import PolicyGrammar, refuse_with
from daypass.policy.language.resource_names import NO_VENDOR, check_resource, partition_fault
from daypass.policy.language.statement import PrincipalName

LEADING_SPACE = "JSON strings must not have leading spaces"
LEGACY = "The policy failed legacy parsing"
_WHITE_SPACE = frozenset(" \t\r\n")  # RFC 8259 section 2; all other characters are invalid there
_ARN_COLONS, _SERVICE = 5, 2  # a service is always there: a variable before it is a fault of the partition


def has_leading_space(text: str) -> bool:
    """Return whether a document begins with white space."""
    return text[:1] in _WHITE_SPACE


def check_beginning(text: str, kind: DocumentKind) -> None:
    """Refuse a document that begins with white space.

    The words are AWS's for this kind of document.
    """
    if has_leading_space(text):
        refuse_with(LEADING_SPACE if kind is DocumentKind.TRUST else LEGACY, "the text begins with white space")


def parse_new_document(text: str, kind: DocumentKind) -> Document:
    """Return a document that may be saved, or be a session's policy.

    Raises MalformedPolicyDocument. Leaves its beginning to `check_beginning`.
    """
    document = parse_with(text, kind, _GRAMMARS[kind])
    for statement in document.statements:
        for name in statement.principals or ():
            if is_foreign(name):
                words = f'Invalid principal in policy: "{name.type.upper()}":"{name.value}"'
                refuse_with(words, f"Statement[{statement.index}].Principal")
    return document


def check_new_resource(text: str) -> str | None:
    """Return the reason why a resource cannot be saved, or None.

    The words are AWS's if they are known.
    """
    if text == "*":
        return None
    return partition_fault(text) or _early_variable(text) or check_resource(text)


_GRAMMARS: Mapping[DocumentKind, PolicyGrammar] = MappingProxyType(
    {
        kind: grammar if grammar.check_resource is None else replace(grammar, check_resource=check_new_resource)
        for kind, grammar in GRAMMARS.items()
    }
)


def is_foreign(name: PrincipalName) -> bool:
    """Return whether a principal belongs to another partition."""
    arn = Arn.find(name.value)
    return arn is not None and arn.partition != PARTITION


def _early_variable(text: str) -> str | None:
    before = text.split(":", _ARN_COLONS)[:_ARN_COLONS]
    if before[0] != "arn" or not any("${" in part for part in before):
        return None
    if "${" in before[_SERVICE]:
        return NO_VENDOR
    return f"Resource {text} can contain a policy variable only after its fifth colon."
