"""Policies with the same text share the parsed document, and nothing of their source."""

import pytest
from tests.policy.engine_requests import allow, text_of, trusting

from daypass.directory.identity import compiled
from daypass.errors import MalformedPolicyDocument
from daypass.policy.compiled import PolicySource, PolicyType, compile_document
from daypass.policy.language.document import DocumentKind, parse_document

_TEXT = text_of(trusting({"AWS": "111111111111"}))
_ONE, _OTHER = (f"arn:aws:iam::111111111111:role/{name}" for name in ("one", "other"))


def source(owner: str) -> PolicySource:
    """Return the source of a role's trust policy."""
    return PolicySource(PolicyType.RESOURCE, "trust-policy", owner)


def test_two_roles_share_the_document_of_an_equal_trust_policy() -> None:
    """The statements name the role to which each belongs."""
    one, other = (compiled(_TEXT, DocumentKind.TRUST, source(owner)) for owner in (_ONE, _OTHER))
    assert one.document is other.document
    assert one.document == parse_document(_TEXT, DocumentKind.TRUST)
    assert [policy.statements[0].ref.source.owner for policy in (one, other)] == [_ONE, _OTHER]
    assert [policy.statements[0].allowed.statements[0].source.owner for policy in (one, other)] == [_ONE, _OTHER]


_CONDITIONED = text_of(
    trusting({"AWS": "111111111111"}, Sid="One", Condition={"StringEquals": {"sts:ExternalId": "x"}}),
    {**trusting("*"), "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
)


def test_a_shared_statement_differs_in_its_reference_alone() -> None:
    """A role that is loaded later gets the statements that a compilation of its own would make."""
    first, later = (compiled(_CONDITIONED, DocumentKind.TRUST, source(owner)) for owner in (_ONE, _OTHER))
    own = compile_document(parse_document(_CONDITIONED, DocumentKind.TRUST), source(_OTHER))
    assert (later.source, later.document) == (own.source, own.document)
    for shared, anew, other in zip(later.statements, own.statements, first.statements, strict=True):
        assert (shared.ref, shared.allowed) == (anew.ref, anew.allowed)
        assert (shared.statement, shared.weight, shared.heads) == (anew.statement, anew.weight, anew.heads)
        assert shared.ref != other.ref
        assert shared.conditions == other.conditions
        assert shared.principal is other.principal


@pytest.mark.parametrize("owner", ["arn:aws:iam::222222222222:role/one", ""])
def test_documents_are_not_shared_beyond_an_account(owner: str) -> None:
    """The time of the first call of a role does not tell the trust policies of another account."""
    one, other = (compiled(_TEXT, DocumentKind.TRUST, source(each)) for each in (_ONE, owner))
    assert one.document == other.document
    assert one.document is not other.document


def test_the_kind_of_a_document_decides_what_is_valid() -> None:
    """A text that is a valid trust policy is refused as an identity policy, before and after it was parsed."""
    compiled(_TEXT, DocumentKind.TRUST, source(_ONE))
    for _ in range(2):
        with pytest.raises(MalformedPolicyDocument):
            compiled(_TEXT, DocumentKind.IDENTITY, source(_ONE))


def test_a_long_document_is_not_kept() -> None:
    """A document over 2,048 characters is parsed for each of its sources."""
    text = text_of(allow(["s3:GetObject"] * 200))
    one, other = (compiled(text, DocumentKind.IDENTITY, source(owner)) for owner in (_ONE, _OTHER))
    assert one.document == other.document
    assert one.document is not other.document
