"""Terraform's identity providers: create, change, import, destroy."""

from typing import Any

from tests.iam.terraform import State, or_none, tags_in, tags_out, unless_gone, update_tags

from daypass.testing.saml import SamlIdentityProvider

THUMBPRINT = "990f4193972f2becf12ddeda5237f9c952f20d9e"


def test_a_saml_provider_lives_as_terraform_has_it(iam: Any, account: str) -> None:
    """aws_iam_saml_provider: the metadata is returned unchanged.

    Terraform reads the name from the ARN.
    """
    idp = SamlIdentityProvider()
    wanted: State = {"saml_metadata_document": idp.metadata_xml(), "tags": {"a": "1"}}
    made = iam.create_saml_provider(
        Name="idp", SAMLMetadataDocument=wanted["saml_metadata_document"], Tags=tags_in(wanted["tags"])
    )
    arn = made["SAMLProviderArn"]

    def read() -> State | None:
        def one() -> State:
            provider = iam.get_saml_provider(SAMLProviderArn=arn)
            return {
                "saml_metadata_document": provider["SAMLMetadataDocument"],
                "tags": tags_out(provider.get("Tags", [])),
            }

        return or_none(one)

    assert arn == f"arn:aws:iam::{account}:saml-provider/idp"
    assert read() == wanted
    idp.rotate()
    new: State = {"saml_metadata_document": idp.metadata_xml(), "tags": {"b": "2"}}
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=new["saml_metadata_document"])
    update_tags(iam.tag_saml_provider, iam.untag_saml_provider, wanted, new, SAMLProviderArn=arn)
    assert read() == new
    unless_gone(iam.delete_saml_provider, SAMLProviderArn=arn)
    assert read() is None


def test_an_openid_connect_provider_lives_as_terraform_has_it(iam: Any, account: str) -> None:
    """aws_iam_openid_connect_provider: client ids are changed one by one.

    Thumbprints are replaced together.
    """
    wanted: State = {"clients": {"one", "two"}, "thumbprints": [THUMBPRINT], "tags": {"a": "1"}}
    made = iam.create_open_id_connect_provider(
        Url="https://idp.example.com/path",
        ClientIDList=sorted(wanted["clients"]),
        ThumbprintList=wanted["thumbprints"],
        Tags=tags_in(wanted["tags"]),
    )
    arn = made["OpenIDConnectProviderArn"]
    named = {"OpenIDConnectProviderArn": arn}

    def read() -> State | None:
        def one() -> State:
            provider = iam.get_open_id_connect_provider(**named)
            assert provider["Url"] == "idp.example.com/path"
            return {
                "clients": set(provider["ClientIDList"]),
                "thumbprints": provider["ThumbprintList"],
                "tags": tags_out(provider.get("Tags", [])),
            }

        return or_none(one)

    assert arn == f"arn:aws:iam::{account}:oidc-provider/idp.example.com/path"
    assert read() == wanted
    new: State = {"clients": {"two", "three"}, "thumbprints": ["a" * 40, THUMBPRINT], "tags": {}}
    iam.update_open_id_connect_provider_thumbprint(**named, ThumbprintList=new["thumbprints"])
    iam.add_client_id_to_open_id_connect_provider(**named, ClientID="three")
    iam.remove_client_id_from_open_id_connect_provider(**named, ClientID="one")
    update_tags(iam.tag_open_id_connect_provider, iam.untag_open_id_connect_provider, wanted, new, **named)
    assert read() == new
    unless_gone(iam.delete_open_id_connect_provider, **named)
    assert read() is None
    unless_gone(iam.delete_open_id_connect_provider, **named)
