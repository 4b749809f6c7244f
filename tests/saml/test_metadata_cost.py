"""One tenant's metadata must not cost the others.

It is parsed once, it has a quota, and it does not fill a page.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from lxml import etree, html
from tests.refusals import refused
from tests.saml.browser import Browser
from tests.saml.conftest import PROVIDER, Stage, granting, registered

from daypass.config import Config
from daypass.directory.entities.saml_entities import SamlProvider
from daypass.directory.saml_providers import find_provider, insert_provider, replace_provider
from daypass.federation.saml import metadata
from daypass.federation.saml.xml_parser import Limits, parse_xml
from daypass.operations.settings import Quotas
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import KeyPair
from daypass.testing.server import running_server

QUOTAS = replace(Quotas(), saml_metadata_characters=6_000, saml_metadata_account_characters=7_000)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the size of each metadata document that is parsed."""
    sizes: list[int] = []

    def noted(document: bytes, limits: Limits) -> etree._Element:
        sizes.append(len(document))
        return parse_xml(document, limits)

    monkeypatch.setattr(metadata, "parse_xml", noted)
    return sizes


@pytest.fixture
def small(keys: tuple[KeyPair, ...]) -> Iterator[Stage]:
    """Run a server with small quotas."""
    with running_server(config=Config(quotas=QUOTAS)) as server:
        yield registered(server, keys[0])


def large(entity_id: str, key: KeyPair, size: int) -> str:
    """Return metadata of a given length."""
    document = SamlIdentityProvider(entity_id, keys=[key]).metadata_xml()
    return document.replace(
        "</md:EntityDescriptor>", f"<!--{'x' * (size - len(document) - 7)}--></md:EntityDescriptor>"
    )


def hosts(stage: Stage) -> list[str]:
    """Return the providers that the sign-in page lists."""
    tree = html.fromstring(Browser().send(f"{stage.server.url}/login").text)
    shown = (span for span in tree.iter("span") if span.get("class") == "login-option-text")
    return [str(span.xpath("string(.)")).split()[0] for span in shown]


def rewritten(stage: Stage, **changes: Any) -> None:
    """Write the provider as an older version does: without a summary."""
    with stage.server.there.store.write() as writer:
        old = find_provider(writer, PROVIDER)
        assert old is not None
        replace_provider(writer, old, msgspec.structs.replace(old, **{"summary": None, **changes}))


@pytest.mark.slow
def test_nobody_s_visit_parses_metadata(stage: Stage, keys: tuple[KeyPair, ...], parsed: list[int]) -> None:
    """Metadata is only parsed at registration, at any size.

    Pages and sessions read the summary.
    """
    role = stage.role("people")
    for number in range(8):
        document = large(f"https://idp{number}.example.net", keys[0], 900_000)
        stage.iam.create_saml_provider(Name=f"n{number}", SAMLMetadataDocument=document)
    assert len(parsed) == 8
    parsed.clear()
    for _ in range(3):
        assert len(hosts(stage)) == 9
    stage.redeem(stage.response(granting(role)), role)
    stage.iam.update_saml_provider(SAMLProviderArn=f"{PROVIDER[:-3]}n0", AssertionEncryptionMode="Allowed")
    assert len(hosts(stage)) == 9
    assert parsed == []


def test_a_record_without_a_summary_is_parsed_once(stage: Stage, keys: tuple[KeyPair, ...], parsed: list[int]) -> None:
    """An older version wrote the record, at AWS's maximum size.

    Later changes of other providers do not cause another parse.
    """
    rewritten(stage, metadata=large("https://idp.example.org", keys[0], 4_000_000))
    role = stage.role("people")
    for number in range(3):
        assert "idp.example.org" in hosts(stage)
        stage.redeem(stage.response(granting(role)), role)
        document = SamlIdentityProvider(f"https://idp{number}.example.net", keys=keys[:1]).metadata_xml()
        stage.iam.create_saml_provider(Name=f"n{number}", SAMLMetadataDocument=document)
    assert [size for size in parsed if size > 1_000_000] == [4_000_000]


def test_a_summary_of_another_document_does_not_count(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """The keys and addresses are those of the stored metadata.

    It does not matter which version wrote it.
    """
    role, rotated = stage.role("people"), SamlIdentityProvider(keys=keys[1:2])
    with stage.server.there.store.read() as reader:
        known = find_provider(reader, PROVIDER)
    assert known is not None
    assert known.summary is not None
    moved = rotated.metadata_xml().replace("https://idp.example.org/sso", "https://moved.example.org/sso")
    for summary in (known.summary, None):
        rewritten(stage, metadata=moved, summary=summary)
        assert hosts(stage) == ["moved.example.org"]
        assert stage.refused(stage.response(granting(role)), role)[2] == "Response signature invalid"
        stage.redeem(rotated.response(granting(role), now=stage.server.clock.now()), role)


def test_metadata_has_a_quota(small: Stage, keys: tuple[KeyPair, ...]) -> None:
    """Each document has a limit, and so have all documents of an account.

    Metadata at the limit is accepted.
    """
    iam, own = small.iam, len(small.idp.metadata_xml())
    too_large = ("LimitExceeded", 409, "Cannot exceed quota for SAMLMetadataSize: 6000")
    too_many = ("LimitExceeded", 409, "Cannot exceed quota for SAMLMetadataSizePerAccount: 7000")
    document = large("https://idp2.example.org", keys[0], 6_001)
    assert refused(iam.create_saml_provider, Name="large", SAMLMetadataDocument=document) == too_large
    assert refused(iam.update_saml_provider, SAMLProviderArn=PROVIDER, SAMLMetadataDocument=document) == too_large
    document = large("https://idp2.example.org", keys[0], 7_000 - own)
    more = large("https://idp2.example.org", keys[0], 7_001 - own)
    assert refused(iam.create_saml_provider, Name="second", SAMLMetadataDocument=more) == too_many
    arn = iam.create_saml_provider(Name="second", SAMLMetadataDocument=document)["SAMLProviderArn"]
    assert refused(iam.update_saml_provider, SAMLProviderArn=arn, SAMLMetadataDocument=more) == too_many
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=document)
    root = small.server.new_account(standing="standalone")
    assert small.client("iam", root).create_saml_provider(Name="other", SAMLMetadataDocument=document)


def test_larger_metadata_of_before_goes_on_working(small: Stage, keys: tuple[KeyPair, ...]) -> None:
    """It is trusted and shown, and can be replaced by a document of its size."""
    before = large("https://idp.example.org", keys[0], 50_000)
    rewritten(small, metadata=before)
    role = small.role("people")
    small.redeem(small.response(granting(role)), role)
    assert hosts(small) == ["idp.example.org"]
    assert small.iam.get_saml_provider(SAMLProviderArn=PROVIDER)["SAMLMetadataDocument"] == before
    small.iam.update_saml_provider(SAMLProviderArn=PROVIDER, AssertionEncryptionMode="Allowed")
    small.iam.update_saml_provider(SAMLProviderArn=PROVIDER, SAMLMetadataDocument=before[:-1] + " ")
    document = large("https://idp.example.org", keys[0], 50_001)
    assert refused(small.iam.update_saml_provider, SAMLProviderArn=PROVIDER, SAMLMetadataDocument=document)[0] == (
        "LimitExceeded"
    )


def test_nobody_fills_the_sign_in_page(stage: Stage, keys: tuple[KeyPair, ...]) -> None:
    """Six hundred providers of one account leave room for another account's.

    All of them can be reached.
    """
    low = stage.server.new_account("000000000001", standing="standalone")
    with stage.server.there.store.write() as writer:
        model = find_provider(writer, PROVIDER)
        assert isinstance(model, SamlProvider)
        for number in range(600):
            name = f"a{number:03}"
            provider = SamlIdentityProvider(f"https://{name}.example.com", keys=keys[:1])
            more = {"name": name, "metadata": provider.metadata_xml(), "entity_id": provider.entity_id}
            identity = {"id": f"SAMLSP{name}", "account": low.account, "summary": None}
            insert_provider(writer, msgspec.structs.replace(model, **more, **identity))
    shown = hosts(stage)
    assert len(shown) == 500
    assert "idp.example.org" in shown
