"""IAM operations on SAML providers: register, get, update, refuse."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from tests.refusals import refused
from tests.saml.conftest import ACCOUNT, PROVIDER, Stage
from tests.sts.authenticator import new_user

from daypass.directory.saml_providers import find_provider, load_providers_of
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair


def test_a_provider_is_shown_as_it_was_registered(shared: Stage) -> None:
    """GetSAMLProvider returns the exact document.

    ValidUntil is in a hundred years if the metadata does not expire.
    """
    iam = shared.iam
    document = shared.idp.metadata_xml()
    made = iam.create_saml_provider(
        Name="shown", SAMLMetadataDocument=document, Tags=[{"Key": "Team", "Value": "storage"}]
    )
    arn = made["SAMLProviderArn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:saml-provider/shown"
    assert made["Tags"] == [{"Key": "Team", "Value": "storage"}]
    shown = iam.get_saml_provider(SAMLProviderArn=arn)
    assert shown["SAMLMetadataDocument"] == document
    assert shown["SAMLProviderUUID"].startswith("SAMLSP")
    assert shown["AssertionEncryptionMode"] == "Allowed"
    assert shown["PrivateKeyList"] == []
    assert shown["Tags"] == made["Tags"]
    assert shown["ValidUntil"].year == shown["CreateDate"].year + 100
    listed = {each["Arn"]: each for each in iam.list_saml_providers()["SAMLProviderList"]}
    assert listed[arn]["CreateDate"] == shown["CreateDate"]
    assert listed[arn]["ValidUntil"] == shown["ValidUntil"]


def test_the_metadata_s_own_end_is_shown(shared: Stage) -> None:
    """ValidUntil is the validUntil of the metadata, also after an update."""
    iam = shared.iam
    ends: list[datetime] = [shared.server.clock.now().replace(microsecond=0) + timedelta(days=day) for day in (1, 9)]
    first, second = (shared.idp.metadata_xml(valid_until=end) for end in ends)
    arn = iam.create_saml_provider(Name="ends", SAMLMetadataDocument=first)["SAMLProviderArn"]
    assert iam.get_saml_provider(SAMLProviderArn=arn)["ValidUntil"] == ends[0]
    assert iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=second)["SAMLProviderArn"] == arn
    assert iam.get_saml_provider(SAMLProviderArn=arn)["ValidUntil"] == ends[1]
    past = shared.idp.metadata_xml(valid_until=shared.server.clock.now() - timedelta(days=1))
    assert refused(iam.update_saml_provider, SAMLProviderArn=arn, SAMLMetadataDocument=past)[:2] == (
        "InvalidInput",
        400,
    )


@pytest.mark.parametrize("document", ["<x/>" + " " * 1000, "x" * 1000, f"<!DOCTYPE x []><x>{' ' * 1000}</x>"])
def test_what_is_no_metadata_is_not_registered(shared: Stage, document: str) -> None:
    """AWS's code and message for a document that cannot be read."""
    code, status, words = refused(shared.iam.create_saml_provider, Name="no", SAMLMetadataDocument=document)
    assert (code, status) == ("InvalidInput", 400)
    assert words.startswith("Could not parse metadata")


def test_a_name_is_taken_once(shared: Stage) -> None:
    """Names are unique in an account, without regard to case."""
    for name in ("idp", "IdP"):
        refusal = refused(shared.iam.create_saml_provider, Name=name, SAMLMetadataDocument=shared.idp.metadata_xml())
        assert refusal == ("EntityAlreadyExists", 409, f"Provider with name {name} already exists.")


def test_what_is_missing_is_said_in_aws_s_words(shared: Stage) -> None:
    """A provider that does not exist, or is another account's, is not found.

    A string that is not a valid ARN is refused.
    """
    iam = shared.iam
    other = shared.client("iam", shared.server.new_account())
    missing = f"{PROVIDER}-missing"
    document = shared.idp.metadata_xml()
    calls: list[tuple[str, dict[str, Any]]] = [
        ("get_saml_provider", {}),
        ("update_saml_provider", {"SAMLMetadataDocument": document}),
        ("delete_saml_provider", {}),
        ("tag_saml_provider", {"Tags": [{"Key": "a", "Value": "b"}]}),
        ("untag_saml_provider", {"TagKeys": ["a"]}),
        ("list_saml_provider_tags", {}),
    ]
    for name, more in calls:
        wanted = ("NoSuchEntity", 404, f"Manifest not found for arn {missing}")
        assert refused(getattr(iam, name), SAMLProviderArn=missing, **more) == wanted
        theirs = ("NoSuchEntity", 404, f"Manifest not found for arn {PROVIDER}")
        assert refused(getattr(other, name), SAMLProviderArn=PROVIDER, **more) == theirs
        wrong = f"arn:aws:iam::{ACCOUNT}:role/idp"
        assert refused(getattr(iam, name), SAMLProviderArn=wrong, **more)[0] == "InvalidInput"


def test_tags_are_changed_and_listed(stage: Stage) -> None:
    """Tags are added, replaced, listed in pages and removed.

    `a` and `A` are two keys here.
    """
    iam = stage.iam
    iam.tag_saml_provider(SAMLProviderArn=PROVIDER, Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}])
    iam.tag_saml_provider(SAMLProviderArn=PROVIDER, Tags=[{"Key": "a", "Value": "3"}])
    page = iam.list_saml_provider_tags(SAMLProviderArn=PROVIDER, MaxItems=1)
    assert page["Tags"] == [{"Key": "A", "Value": "2"}]
    assert page["IsTruncated"]
    rest = iam.list_saml_provider_tags(SAMLProviderArn=PROVIDER, Marker=page["Marker"])
    assert rest["Tags"] == [{"Key": "a", "Value": "3"}]
    iam.untag_saml_provider(SAMLProviderArn=PROVIDER, TagKeys=["A"])
    assert iam.get_saml_provider(SAMLProviderArn=PROVIDER)["Tags"] == [{"Key": "a", "Value": "3"}]


def test_private_keys_are_two_at_most_and_never_shown(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """A provider has at most two private keys, for a rotation.

    They are stored sealed, listed by ID and removed by ID.
    """
    iam = stage.iam
    for key in keys[:2]:
        iam.update_saml_provider(SAMLProviderArn=PROVIDER, AddPrivateKey=key.pem)
    third = refused(iam.update_saml_provider, SAMLProviderArn=PROVIDER, AddPrivateKey=keys[2].pem)
    assert third[:2] == ("LimitExceeded", 409)
    shown = iam.get_saml_provider(SAMLProviderArn=PROVIDER)
    assert "PRIVATE KEY" not in str(shown)
    first, second = (key["KeyId"] for key in shown["PrivateKeyList"])
    with stage.server.there.store.read() as reader:
        provider = find_provider(reader, PROVIDER)
    assert provider is not None
    assert b"PRIVATE KEY" not in provider.keys[0].sealed
    iam.update_saml_provider(SAMLProviderArn=PROVIDER, RemovePrivateKey=first, AddPrivateKey=keys[2].pem)
    kept = [key["KeyId"] for key in iam.get_saml_provider(SAMLProviderArn=PROVIDER)["PrivateKeyList"]]
    assert kept[0] == second
    assert len(kept) == 2
    gone = refused(iam.update_saml_provider, SAMLProviderArn=PROVIDER, RemovePrivateKey=first)
    assert gone[:2] == ("NoSuchEntity", 404)


def test_a_private_key_is_an_rsa_key_without_a_passphrase(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """AWS's message for an invalid key; no answer contains the key."""
    locked = keys[0].private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    for text in ("no key", locked.decode(), keys[0].pem[:-60]):
        refusal = refused(stage.iam.update_saml_provider, SAMLProviderArn=PROVIDER, AddPrivateKey=text)
        assert refusal == ("InvalidInput", 400, "Invalid private key.")


def test_encryption_is_not_required_without_a_key(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """Requiring encryption without a key is refused.

    Removing the last key is refused too, because then no user could sign in.
    """
    iam = stage.iam
    required = {"SAMLProviderArn": PROVIDER, "AssertionEncryptionMode": "Required"}
    assert refused(iam.update_saml_provider, **required)[0] == "InvalidInput"
    iam.update_saml_provider(**required, AddPrivateKey=keys[0].pem)
    key = iam.get_saml_provider(SAMLProviderArn=PROVIDER)["PrivateKeyList"][0]["KeyId"]
    assert refused(iam.update_saml_provider, SAMLProviderArn=PROVIDER, RemovePrivateKey=key)[0] == "InvalidInput"


@pytest.mark.slow
def test_an_account_has_a_hundred_providers(stage: Stage) -> None:
    """The quota is AWS's, and can be configured."""
    document = stage.idp.metadata_xml()
    for number in range(99):
        stage.iam.create_saml_provider(Name=f"n{number}", SAMLMetadataDocument=document)
    refusal = refused(stage.iam.create_saml_provider, Name="more", SAMLMetadataDocument=document)
    assert refusal == ("LimitExceeded", 409, "Cannot exceed quota for SAMLProvidersPerAccount: 100")
    assert len(stage.iam.list_saml_providers()["SAMLProviderList"]) == 100


def test_permissions_are_checked_by_name_and_by_tag(stage: Stage) -> None:
    """The resource is the provider's ARN, and its tags are condition keys.

    Creating a provider with tags needs iam:TagSAMLProvider.
    """
    stage.iam.tag_saml_provider(SAMLProviderArn=PROVIDER, Tags=[{"Key": "Team", "Value": "a"}])
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*SAMLProvider","Resource":'
        f'"{PROVIDER}","Condition":{{"StringEquals":{{"aws:ResourceTag/Team":"a"}}}}}},'
        f'{{"Effect":"Allow","Action":"iam:CreateSAMLProvider","Resource":"{PROVIDER}2"}}]}}'
    )
    iam = stage.client("iam", new_user(stage.iam, "keeper", policy).key)
    iam.get_saml_provider(SAMLProviderArn=PROVIDER)
    assert refused(iam.get_saml_provider, SAMLProviderArn=f"{PROVIDER}2")[0] == "AccessDenied"
    assert refused(iam.list_saml_providers)[0] == "AccessDenied"
    document = stage.idp.metadata_xml()
    born = {"Name": "idp2", "SAMLMetadataDocument": document}
    assert refused(iam.create_saml_provider, **born, Tags=[{"Key": "Team", "Value": "a"}])[0] == "AccessDenied"
    iam.create_saml_provider(**born)


def test_another_entity_id_is_found_by_it(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """After new metadata, the provider is found by the new entity ID.

    Responses of the old entity are refused.
    """
    moved = SamlIdentityProvider("https://new.example.org", keys=[keys[1]])
    stage.iam.update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=moved.metadata_xml())
    with stage.server.there.store.read() as reader:
        assert load_providers_of(reader, "https://new.example.org") == (PROVIDER,)
        assert load_providers_of(reader, stage.idp.entity_id) == ()
    stage.iam.delete_saml_provider(SAMLProviderArn=PROVIDER)
    with stage.server.there.store.read() as reader:
        assert load_providers_of(reader, "https://new.example.org") == ()
