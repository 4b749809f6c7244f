"""The trusted identity propagation of providers: what IAM accepts, stores and shows."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.documents import allow, document
from tests.refusals import code_of, refused

from daypass.errors import InvalidInput
from daypass.operations.iam.providers.context_providers import (
    ContextKeyDefinitionParams,
    ContextProviderParams,
    read_context_provider,
)
from daypass.testing.saml import SamlIdentityProvider

INSTANCE = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
FULL = {
    "SubjectSourceKey": "sub",
    "SubjectTypeSourceKey": "kind",
    "KeyDefinitionList": [{"SourceKey": "dep", "TargetKey": "Department #1"}, {"SourceKey": "acr"}],
}
CONSTANT = {"SubjectSourceKey": "Subject/NameID", "SubjectTypeValue": "user", "KeyDefinitionList": []}
_REFUSED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("both types", {"SubjectSourceKey": "sub", "SubjectTypeValue": "user", "SubjectTypeSourceKey": "kind"}),
    ("a space at the end", {"SubjectSourceKey": "sub "}),
    ("a space at the beginning", {"SubjectSourceKey": " sub"}),
    ("two spaces", {"SubjectSourceKey": "my  sub"}),
    ("a line", {"SubjectSourceKey": "sub\n"}),
    ("another letter", {"SubjectSourceKey": "süb"}),
    ("another character", {"SubjectSourceKey": "su*b"}),
    ("the type's source", {"SubjectSourceKey": "sub", "SubjectTypeSourceKey": "k?"}),
    ("a constant with a control character", {"SubjectSourceKey": "sub", "SubjectTypeValue": "a\u202eb"}),
    ("a source", {"SubjectSourceKey": "sub", "KeyDefinitionList": [{"SourceKey": "a,b"}]}),
    ("a target", {"SubjectSourceKey": "sub", "KeyDefinitionList": [{"SourceKey": "a", "TargetKey": "b$"}]}),
    ("a source twice", {"SubjectSourceKey": "sub", "KeyDefinitionList": [{"SourceKey": "a"}, {"SourceKey": "a"}]}),
    (
        "targets that differ in case",
        {"SubjectSourceKey": "sub", "KeyDefinitionList": [{"SourceKey": "a"}, {"SourceKey": "b", "TargetKey": "A"}]},
    ),
    *(
        (key, {"SubjectSourceKey": "sub", "KeyDefinitionList": [{"SourceKey": "a", "TargetKey": key}]})
        for key in (
            "aws:OriginIdentity/Subject",
            "AWS:PrincipalTag/team",
            "aws:TransactionContext/IdentityProvider/",
            "aws:TransactionContext/IdentityProvider/aws:OriginIdentity/Subject",
            "aws:TransactionContext/Other/x",
        )
    ),
)


@pytest.fixture
def provider(iam: Any) -> str:
    """Create a provider without propagation, and return its ARN."""
    made = iam.create_open_id_connect_provider(Url="https://issuer.example.com", ClientIDList=["app"])
    return str(made["OpenIDConnectProviderArn"])


def _context_of(iam: Any, arn: str) -> Any:
    return iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn).get("ContextProvider")


def _is_enabled(iam: Any, arn: str) -> bool:
    listed = [*iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    listed += iam.list_saml_providers()["SAMLProviderList"]
    found: bool = {each["Arn"]: each["IsTrustedIdentityPropagationEnabled"] for each in listed}[arn]
    return found


def test_an_oidc_provider_has_a_context_provider_until_it_is_removed(iam: Any) -> None:
    """Create, replace and remove it; the request's own form comes back."""
    made = iam.create_open_id_connect_provider(Url="https://issuer.example.com", ContextProvider=FULL)
    arn = made["OpenIDConnectProviderArn"]
    assert _context_of(iam, arn) == FULL
    assert _is_enabled(iam, arn)
    answer = iam.update_open_id_connect_provider(OpenIDConnectProviderArn=arn, ContextProvider=CONSTANT)
    assert set(answer) == {"ResponseMetadata"}
    assert _context_of(iam, arn) == CONSTANT
    for _ in range(2):  # A second removal is not an error.
        iam.update_open_id_connect_provider(OpenIDConnectProviderArn=arn, RemoveContextProvider=True)
        assert _context_of(iam, arn) is None
    assert not _is_enabled(iam, arn)
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="app")
    assert _context_of(iam, arn) is None


def test_other_changes_keep_the_context_provider(iam: Any) -> None:
    """Client ids, thumbprints and tags are separate from it."""
    made = iam.create_open_id_connect_provider(Url="https://issuer.example.com", ContextProvider=FULL)
    named = {"OpenIDConnectProviderArn": made["OpenIDConnectProviderArn"]}
    iam.add_client_id_to_open_id_connect_provider(**named, ClientID="app")
    iam.update_open_id_connect_provider_thumbprint(**named, ThumbprintList=["a" * 40])
    iam.tag_open_id_connect_provider(**named, Tags=[{"Key": "a", "Value": "b"}])
    assert _context_of(iam, named["OpenIDConnectProviderArn"]) == FULL


def test_a_saml_provider_has_one_and_shows_its_keys(iam: Any) -> None:
    """A change of the metadata and one of the context provider are two requests."""
    idp = SamlIdentityProvider()
    document = idp.metadata_xml()
    made = iam.create_saml_provider(Name="idp", SAMLMetadataDocument=document, ContextProvider=CONSTANT)
    named = {"SAMLProviderArn": made["SAMLProviderArn"]}
    shown = iam.get_saml_provider(**named)
    assert shown["ContextProvider"] == CONSTANT
    assert _is_enabled(iam, named["SAMLProviderArn"])
    [entry] = shown["SAMLKeyHashes"]
    assert entry["IssuerURL"] == idp.entity_id
    assert [bool(re.fullmatch("[0-9a-f]{64}", each)) for each in entry["KeyHashes"]] == [True]
    iam.update_saml_provider(**named, SAMLMetadataDocument=document)
    assert iam.get_saml_provider(**named)["ContextProvider"] == CONSTANT
    iam.update_saml_provider(**named, ContextProvider=FULL)
    assert iam.get_saml_provider(**named)["ContextProvider"] == FULL
    for other in ({"SAMLMetadataDocument": document}, {"AssertionEncryptionMode": "Allowed"}):
        for change in ({"ContextProvider": CONSTANT}, {"RemoveContextProvider": True}):
            assert refused(iam.update_saml_provider, **named, **other, **change)[:2] == ("InvalidInput", 400)
    iam.update_saml_provider(**named, RemoveContextProvider=True)
    assert "ContextProvider" not in iam.get_saml_provider(**named)
    assert not _is_enabled(iam, named["SAMLProviderArn"])


_NOT_ONE_CHANGE: tuple[dict[str, Any], ...] = (
    {},
    {"RemoveContextProvider": False},
    {"ContextProvider": CONSTANT, "RemoveContextProvider": True},
    {"ContextProvider": CONSTANT, "RemoveContextProvider": False},
    {"IdentityCenterInstanceArn": INSTANCE},
    {"RemoveIdentityCenterInstance": True},
    {"IdentityCenterInstanceArn": INSTANCE, "RemoveIdentityCenterInstance": True},
    {"ContextProvider": CONSTANT, "IdentityCenterInstanceArn": INSTANCE},
    {"RemoveContextProvider": True, "RemoveIdentityCenterInstance": True},
)


def test_a_request_changes_one_thing(iam: Any, provider: str) -> None:
    """Other combinations and IAM Identity Center are InvalidInput, and change nothing."""
    call = iam.update_open_id_connect_provider
    call(OpenIDConnectProviderArn=provider, ContextProvider=FULL)
    for change in _NOT_ONE_CHANGE:
        assert refused(call, OpenIDConnectProviderArn=provider, **change)[:2] == ("InvalidInput", 400), change
    assert _context_of(iam, provider) == FULL


def test_identity_center_is_refused_when_a_provider_is_created(iam: Any) -> None:
    """The member is known, and the message says why."""
    words = "This server has no IAM Identity Center: an instance cannot be associated with a provider."
    more = {"ContextProvider": CONSTANT, "IdentityCenterInstanceArn": INSTANCE}
    answers = (
        refused(iam.create_open_id_connect_provider, Url="https://issuer.example.com", **more),
        refused(iam.create_saml_provider, Name="i", SAMLMetadataDocument=SamlIdentityProvider().metadata_xml(), **more),
    )
    assert {tuple(each) for each in answers} == {("InvalidInput", 400, words)}
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_a_missing_provider_is_no_such_entity(iam: Any) -> None:
    """It has AWS's code."""
    arn = "arn:aws:iam::123456789012:oidc-provider/nobody.example.com"
    call = iam.update_open_id_connect_provider
    assert refused(call, OpenIDConnectProviderArn=arn, ContextProvider=CONSTANT)[:2] == ("NoSuchEntity", 404)


def test_values_that_cannot_be_are_refused(iam: Any, provider: str) -> None:
    """Each of them is InvalidInput at every action, and nothing is stored."""
    for name, value in _REFUSED:
        given = {"OpenIDConnectProviderArn": provider, "ContextProvider": value}
        assert refused(iam.update_open_id_connect_provider, **given)[:2] == ("InvalidInput", 400), name
    create = iam.create_open_id_connect_provider
    assert code_of(create, Url="https://other.example.com", ContextProvider=_REFUSED[0][1]) == "InvalidInput"
    assert _context_of(iam, provider) is None


_LENGTHS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"SubjectSourceKey": "s" * 128}, ""),
    ({"SubjectSourceKey": "s" * 129}, "ValidationError"),
    ({"SubjectSourceKey": "s", "SubjectTypeValue": ""}, ""),
    ({"SubjectSourceKey": "s", "SubjectTypeValue": "t" * 128}, ""),
    ({"SubjectSourceKey": "s", "SubjectTypeValue": "t" * 129}, "ValidationError"),
    ({"SubjectSourceKey": "s", "KeyDefinitionList": [{"SourceKey": f"k{n}"} for n in range(10)]}, ""),
    (
        {"SubjectSourceKey": "s", "KeyDefinitionList": [{"SourceKey": f"k{n}"} for n in range(11)]},
        "ValidationError",
    ),
    (
        {"SubjectSourceKey": "s", "KeyDefinitionList": [{"SourceKey": "a", "TargetKey": "t" * 129}]},
        "ValidationError",
    ),
)


def test_lengths_are_those_of_the_model(iam: Any, provider: str) -> None:
    """At the limit and one beyond it."""
    call = iam.update_open_id_connect_provider
    for value, code in _LENGTHS:
        assert code_of(call, OpenIDConnectProviderArn=provider, ContextProvider=value) == code, value


_WORD = st.text(alphabet="abcXYZ019_.:/=+-@#", min_size=1, max_size=8)


@given(st.lists(_WORD, min_size=1, max_size=5).map(" ".join).filter(lambda key: not key.lower().startswith("aws:")))
def test_every_key_of_the_documented_form_is_accepted(key: str) -> None:
    """AWS's characters, with single spaces inside."""
    params = ContextProviderParams(key, None, key, (ContextKeyDefinitionParams(key, key),))
    read = read_context_provider(params)
    assert (read.subject_source_key, read.subject_type_source_key) == (key, key)
    assert [(one.source_key, one.target_key) for one in read.key_definitions] == [(key, key)]


@given(st.text(max_size=12).filter(lambda key: not re.fullmatch(r"(?=\S)[ -~]*(?<=\S)", key) or "  " in key))
def test_no_other_key_is_accepted(key: str) -> None:
    """Not empty, no space at an end, no two spaces, only ASCII."""
    for params in (
        ContextProviderParams(key),
        ContextProviderParams("sub", None, key),
        ContextProviderParams("sub", None, None, (ContextKeyDefinitionParams(key),)),
        ContextProviderParams("sub", None, None, (ContextKeyDefinitionParams("a", key),)),
    ):
        with pytest.raises(InvalidInput):
            read_context_provider(params)


def test_permissions_can_depend_on_propagation(iam: Any, user_client: Callable[..., Any], provider: str) -> None:
    """iam:EnableIdentityPropagation and the issuer of the stored provider."""
    conditions = {
        "Bool": {"iam:EnableIdentityPropagation": "false", "iam:EnableIdentityCenterAssociation": "false"},
        "ForAllValues:StringEquals": {"iam:RequestIdentityProviderIssuers": ["other.example.com", "urn:idp"]},
    }
    ann = user_client(
        "ann", document(allow(["iam:CreateOpenIDConnectProvider", "iam:CreateSAMLProvider"], Condition=conditions))
    )
    create = ann.create_open_id_connect_provider
    assert code_of(create, Url="https://other.example.com", ContextProvider=CONSTANT) == "AccessDenied"
    assert code_of(create, Url="https://other.example.com", IdentityCenterInstanceArn=INSTANCE) == "AccessDenied"
    assert code_of(create, Url="https://evil.example.com") == "AccessDenied"
    assert code_of(create, Url="https://other.example.com") == ""
    foreign = SamlIdentityProvider(entity_id="urn:other").metadata_xml()
    assert code_of(ann.create_saml_provider, Name="a", SAMLMetadataDocument=foreign) == "AccessDenied"
    known = SamlIdentityProvider(entity_id="urn:idp").metadata_xml()
    assert code_of(ann.create_saml_provider, Name="a", SAMLMetadataDocument=known) == ""
    assert code_of(ann.create_saml_provider, Name="b", SAMLMetadataDocument="x" * 1000) == "InvalidInput"

    stored = {
        "ForAnyValue:StringEquals": {"iam:ResourceIdentityProviderIssuers": "issuer.example.com"},
        "Bool": {"iam:EnableIdentityPropagation": "true"},
    }
    bob = user_client("bob", document(allow("iam:UpdateOpenIDConnectProvider", Condition=stored)))
    change = bob.update_open_id_connect_provider
    other = provider.replace("issuer.example.com", "other.example.com")
    assert code_of(change, OpenIDConnectProviderArn=other, ContextProvider=CONSTANT) == "AccessDenied"
    assert code_of(change, OpenIDConnectProviderArn=provider, RemoveContextProvider=True) == "AccessDenied"
    assert code_of(change, OpenIDConnectProviderArn=provider, ContextProvider=CONSTANT) == ""
