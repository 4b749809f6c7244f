"""Trusted identity propagation with assertions: from a signed attribute to the session."""

from typing import Any

import pytest
from tests.documents import allow, document
from tests.refusals import code_of
from tests.saml.conftest import ACCOUNT, Stage, granting

from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import Encryption, KeyPair

DEPARTMENT = "urn:example:department"
CONTEXT = {
    "SubjectSourceKey": "Subject/NameID",
    "SubjectTypeValue": "user",
    "KeyDefinitionList": [{"SourceKey": DEPARTMENT, "TargetKey": "Department"}],
}
ARN = f"arn:aws:iam::{ACCOUNT}:saml-provider/propagating"


@pytest.fixture(scope="module")
def role(shared: Stage) -> str:
    """Register a provider that propagates, and return a role that trusts it."""
    document = shared.idp.metadata_xml()
    shared.iam.create_saml_provider(Name="propagating", SAMLMetadataDocument=document, ContextProvider=CONTEXT)
    return shared.role("propagated", provider=ARN, policy=_may())


def _may(**condition: Any) -> str:
    probe = allow("iam:ListAccountAliases")
    if condition:
        probe["Condition"] = condition
    return document(allow("sts:*"), probe)


def _sign_in(stage: Stage, role: str, *, response: dict[str, Any] | None = None, **assertion: Any) -> Any:
    given = granting(role, provider=ARN, **{"attributes": {DEPARTMENT: ["Research"]}, **assertion})
    return stage.redeem(stage.response(given, **(response or {})), role, provider=ARN)


def _sees(stage: Stage, answer: Any, **condition: Any) -> bool:
    stage.iam.put_role_policy(RoleName="propagated", PolicyName="p", PolicyDocument=_may(**condition))
    return not code_of(stage.client("iam", answer["Credentials"]).list_account_aliases)


def test_the_answer_and_the_session_have_the_context(shared: Stage, role: str) -> None:
    """The issuer is the hash of the signing key, which GetSAMLProvider lists; the answer's own Issuer stays."""
    answer = _sign_in(shared, role)
    [entry] = shared.iam.get_saml_provider(SAMLProviderArn=ARN)["SAMLKeyHashes"]
    origin = {
        "Subject": "alice@example.org",
        "SubjectType": "user",
        "Issuer": entry["KeyHashes"][0],
        "FederatedProviderArn": ARN,
    }
    assert answer["TrustedIdentityPropagationContext"] == {
        "OriginIdentity": origin,
        "TransactionContext": {"IdentityProvider": {"Department": "Research"}},
    }
    assert (answer["Issuer"], answer["SubjectType"]) == (shared.idp.entity_id, "persistent")
    expected = {f"aws:OriginIdentity/{name}": value for name, value in origin.items()}
    assert _sees(
        shared, answer, StringEquals={**expected, "aws:TransactionContext/IdentityProvider/Department": "Research"}
    )


def test_an_unusable_value_refuses_the_assertion(shared: Stage, role: str) -> None:
    """A missing subject, several values, and a value that is too long."""
    shared.iam.update_saml_provider(
        SAMLProviderArn=ARN, ContextProvider={**CONTEXT, "SubjectSourceKey": "urn:example:uid"}
    )
    try:
        for attributes, words in (
            ({}, "urn:example:uid is required in AuthnResponse"),
            ({"urn:example:uid": []}, "urn:example:uid is required in AuthnResponse"),
            ({"urn:example:uid": ["a", "b"]}, "urn:example:uid has more than one value"),
            ({"urn:example:uid": ["a" * 257]}, "urn:example:uid has more than 256 characters"),
            ({"urn:example:uid": ["a"], DEPARTMENT: ["b" * 129]}, f"{DEPARTMENT} has more than 128 characters"),
        ):
            given = shared.response(granting(role, provider=ARN, attributes=attributes))
            refusal = shared.refused(given, role, provider=ARN)
            assert refusal[:2] == ("InvalidIdentityToken", 400), attributes
            assert words in refusal[2]
        answer = _sign_in(shared, role, attributes={"urn:example:uid": ["u1"]})
        context = answer["TrustedIdentityPropagationContext"]
        assert context["OriginIdentity"]["Subject"] == "u1"
        assert "TransactionContext" not in context
    finally:
        shared.iam.update_saml_provider(SAMLProviderArn=ARN, ContextProvider=CONTEXT)


def test_no_other_attribute_sets_a_key(shared: Stage, role: str) -> None:
    """Attributes named like the keys, tags and source identity are something else."""
    attributes = {
        "aws:OriginIdentity/Subject": ["mallory"],
        "aws:TransactionContext/IdentityProvider/Department": ["Sales"],
        "Subject/NameID": ["mallory"],
        "https://aws.amazon.com/SAML/Attributes/TransactionContext": ["Sales"],
    }
    answer = _sign_in(shared, role, attributes=attributes, tags={"OriginIdentity/Subject": "mallory"})
    equals = {"aws:OriginIdentity/Subject": "alice@example.org"}
    absent = {"aws:TransactionContext/IdentityProvider/Department": "true"}
    assert _sees(shared, answer, StringEquals=equals, Null=absent)


def test_the_issuer_follows_the_key_and_not_the_certificate(shared: Stage, keys: tuple[KeyPair, ...]) -> None:
    """With two registered keys, each session names the one that signed."""
    both = SamlIdentityProvider(keys=list(keys[:2]), entity_id="urn:two-keys")
    arn = f"arn:aws:iam::{ACCOUNT}:saml-provider/two-keys"
    shared.iam.create_saml_provider(Name="two-keys", SAMLMetadataDocument=both.metadata_xml(), ContextProvider=CONTEXT)
    role = shared.role("two-keys", provider=arn)
    [entry] = shared.iam.get_saml_provider(SAMLProviderArn=arn)["SAMLKeyHashes"]
    found = []
    for key in keys[:2]:
        signer = SamlIdentityProvider(keys=[key], entity_id="urn:two-keys")
        response = signer.response(granting(role, provider=arn), now=shared.server.clock.now())
        context = shared.redeem(response, role, provider=arn)["TrustedIdentityPropagationContext"]
        found.append(context["OriginIdentity"]["Issuer"])
    assert sorted(found) == sorted(entry["KeyHashes"])
    assert found[0] != found[1]


def test_an_encrypted_assertion_does_not_show_its_content(shared: Stage, keys: tuple[KeyPair, ...]) -> None:
    """The session has the keys, but the answer does not show them, as on AWS."""
    arn = f"arn:aws:iam::{ACCOUNT}:saml-provider/encrypting"
    shared.iam.create_saml_provider(
        Name="encrypting",
        SAMLMetadataDocument=shared.idp.metadata_xml(),
        ContextProvider=CONTEXT,
        AddPrivateKey=keys[2].pem,
        AssertionEncryptionMode="Required",
    )
    role = shared.role(
        "encrypted", provider=arn, policy=_may(StringEquals={"aws:OriginIdentity/Subject": "alice@example.org"})
    )
    encryption = Encryption(to=keys[2].private.public_key())  # type: ignore[arg-type] # RSA
    response = shared.response(granting(role, provider=arn), encryption=encryption)
    answer = shared.redeem(response, role, provider=arn)
    assert "TrustedIdentityPropagationContext" not in answer
    assert not code_of(shared.client("iam", answer["Credentials"]).list_account_aliases)
