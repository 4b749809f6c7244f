"""Policies with the same text share the parsed document, and nothing of their source."""

import pytest
from tests.policy.engine_requests import allow, text_of, trusting

from daypass.directory.identity import compiled
from daypass.errors import MalformedPolicyDocument
from daypass.policy.compiled import PolicySource, PolicyType
from daypass.policy.language.document import DocumentKind, parse_document

_TEXT = text_of(trusting({"AWS": "111111111111"}))


def source(owner: str) -> PolicySource:
    """Return the source of a role's trust policy."""
    return PolicySource(PolicyType.RESOURCE, "trust-policy", owner)


def test_two_roles_share_the_document_of_an_equal_trust_policy() -> None:
    """The statements name the role to which each belongs."""
    one, other = (compiled(_TEXT, DocumentKind.TRUST, source(owner)) for owner in ("one", "other"))
    assert one.document is other.document
    assert one.document == parse_document(_TEXT, DocumentKind.TRUST)
    assert [policy.statements[0].ref.source.owner for policy in (one, other)] == ["one", "other"]
    assert [policy.statements[0].allowed.statements[0].source.owner for policy in (one, other)] == ["one", "other"]


def test_the_kind_of_a_document_decides_what_is_valid() -> None:
    """A text that is a valid trust policy is refused as an identity policy, before and after it was parsed."""
    compiled(_TEXT, DocumentKind.TRUST, source("one"))
    for _ in range(2):
        with pytest.raises(MalformedPolicyDocument):
            compiled(_TEXT, DocumentKind.IDENTITY, source("one"))


def test_a_long_document_is_not_kept() -> None:
    """A document over 2,048 characters is parsed for each of its sources."""
    text = text_of(allow(["s3:GetObject"] * 200))
    one, other = (compiled(text, DocumentKind.IDENTITY, source(owner)) for owner in ("one", "other"))
    assert one.document == other.document
    assert one.document is not other.document
