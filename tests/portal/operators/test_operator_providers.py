"""The console lists, adds, edits and deletes identity providers through IAM, with the operator's own permissions."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.documents import allow
from tests.portal.conftest import ACCOUNT, OTHER
from tests.portal.operators.console import Console, entered

from daypass.testing.plugin import client_factory
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

PROVIDERS = "/operator/providers"
SAML, OIDC = f"{PROVIDERS}/saml", f"{PROVIDERS}/oidc"
FORMS = (SAML, f"{SAML}/add", f"{SAML}/delete", OIDC, f"{OIDC}/add", f"{OIDC}/delete")
MARKUP = '"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """Run a server with two accounts."""
    with running_server(account=ACCOUNT) as running:
        yield running


@pytest.fixture(scope="module")
def operator(server: RunningServer) -> Console:
    """Enter the console with a role that may change everything in IAM."""
    return entered(server, "managing", allow("iam:*"))


@pytest.fixture(scope="module")
def metadata() -> str:
    """Return the metadata of a provider."""
    return SamlIdentityProvider("https://idp.example.com", keys=[make_key_pair()]).metadata_xml()


def of(address: str, arn: str) -> str:
    """Return the address of a provider's page."""
    return f"{address}?{urlencode({'arn': arn})}"


def test_a_saml_provider_is_added_changed_and_deleted(server: RunningServer, operator: Console, metadata: str) -> None:
    """Each form makes the call of IAM that its button names."""
    iam = client_factory(server)("iam")
    form = operator.get(f"{SAML}/add").form(f"{SAML}/add")
    added = operator.post(f"{SAML}/add", {**form, "Name": "corp", "Metadata": metadata.replace("\n", "\r\n")})
    arn = f"arn:aws:iam::{ACCOUNT}:saml-provider/corp"
    assert (added.status, added.location) == (303, f"{SAML}?{urlencode({'arn': arn, 'done': 'added'})}")
    page = operator.get(added.location)
    assert (page.heading, page.title.partition(" · ")[0]) == ("corp", "corp")
    assert "https://idp.example.com" in page.words
    assert "was added" in page.words
    rotated = SamlIdentityProvider("https://new.example.com", keys=[make_key_pair()]).metadata_xml()
    changed = operator.post(SAML, {**page.form(SAML), "Metadata": rotated, "Encryption": "Allowed"})
    assert changed.status == 303, changed.words
    assert iam.get_saml_provider(SAMLProviderArn=arn)["SAMLMetadataDocument"].strip() == rotated.strip()
    kept = operator.post(SAML, {**page.form(SAML), "Metadata": " ", "Encryption": "Allowed"})
    assert kept.status == 303
    assert "https://new.example.com" in operator.get(of(SAML, arn)).words
    assert "corp" in operator.get(PROVIDERS).words
    gone = operator.post(f"{SAML}/delete", page.form(f"{SAML}/delete"))
    assert gone.location == f"{PROVIDERS}?done=deleted"
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    missing = operator.get(of(SAML, arn))
    assert (missing.status, missing.heading) == (404, "Not found")


def test_an_issuer_is_added_changed_and_deleted(server: RunningServer, operator: Console) -> None:
    """A change of the lists calls IAM for each difference."""
    iam = client_factory(server)("iam")
    form = operator.get(f"{OIDC}/add").form(f"{OIDC}/add")
    fields = {**form, "Url": "https://oidc.example.com/realms/acme", "ClientIds": "one\r\ntwo\r\n", "Thumbprints": ""}
    added = operator.post(f"{OIDC}/add", fields)
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.com/realms/acme"
    assert added.location == f"{OIDC}?{urlencode({'arn': arn, 'done': 'added'})}"
    page = operator.get(added.location)
    assert page.heading == "oidc.example.com/realms/acme"
    assert page.tree.xpath("//textarea[@name='ClientIds']")[0].text.split() == ["one", "two"]
    changes = {**page.form(OIDC), "ClientIds": f"two\nthree{MARKUP}", "Thumbprints": "A" * 40}
    assert operator.post(OIDC, changes).status == 303
    found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (found["ClientIDList"], found["ThumbprintList"]) == (["two", f"three{MARKUP}"], ["a" * 40])
    shown = operator.get(of(OIDC, arn))
    assert "<script>alert" not in shown.text
    assert operator.post(f"{OIDC}/delete", page.form(f"{OIDC}/delete")).status == 303
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_propagation_is_shown_and_kept(server: RunningServer, operator: Console, metadata: str) -> None:
    """The pages show each key with its source, and saving the form does not change them."""
    iam = client_factory(server)("iam")
    context = {
        "SubjectSourceKey": "upn",
        "SubjectTypeValue": "<b>user</b>",
        "KeyDefinitionList": [{"SourceKey": "dep", "TargetKey": "Department"}, {"SourceKey": "acr"}],
    }
    saml = iam.create_saml_provider(Name="propagating", SAMLMetadataDocument=metadata, ContextProvider=context)
    oidc = iam.create_open_id_connect_provider(
        Url="https://propagating.example", ClientIDList=["one"], ContextProvider=context
    )
    places = ((SAML, saml["SAMLProviderArn"]), (OIDC, oidc["OpenIDConnectProviderArn"]))
    for address, arn in places:
        page = operator.get(of(address, arn))
        facts = page.tree.xpath("//section[@aria-labelledby='propagation']//dt")
        assert [each.text_content() for each in facts] == [
            "aws:OriginIdentity/Subject",
            "aws:OriginIdentity/SubjectType",
            "aws:TransactionContext/IdentityProvider/Department",
            "aws:TransactionContext/IdentityProvider/acr",
        ]
        assert "<b>user" not in page.text
        assert operator.post(address, page.form(address)).status == 303
    shown = (
        iam.get_saml_provider(SAMLProviderArn=places[0][1]),
        iam.get_open_id_connect_provider(OpenIDConnectProviderArn=places[1][1]),
    )
    assert [each["ContextProvider"] for each in shown] == [context, context]


@pytest.mark.parametrize(
    ("form", "fields", "status", "heading"),
    [
        (f"{SAML}/add", {"Name": "x", "Metadata": "<odd/>"}, 400, "Check the values"),
        (f"{SAML}/add", {"Name": "../x", "Metadata": "METADATA"}, 400, "Check the values"),
        (f"{SAML}/add", {"Name": "", "Metadata": ""}, 400, "Check the values"),
        (f"{OIDC}/add", {"Url": "http://plain.example", "ClientIds": "x"}, 400, "Check the values"),
        (
            f"{OIDC}/add",
            {"Url": "https://x.example", "ClientIds": "\n".join(map(str, range(101)))},
            400,
            "Check the values",
        ),
        (SAML, {"Arn": "arn:aws:iam::123456789012:saml-provider/none"}, 404, "Not found"),
        (SAML, {"Arn": ""}, 404, "Not found"),
        (OIDC, {"Arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/none\0"}, 404, "Not found"),
    ],
)
def test_a_refusal_of_iam_has_its_own_heading(
    operator: Console, metadata: str, form: str, fields: dict[str, str], status: int, heading: str
) -> None:
    """The message is that of IAM, and the response is never an error of the server."""
    token = {"Form": operator.get(PROVIDERS).form("/operator/leave")["Form"]}
    given = {name: metadata if value == "METADATA" else value for name, value in fields.items()}
    answer = operator.post(form, {**token, **given})
    assert (answer.status, answer.heading) == (status, heading), answer.words


def test_another_accounts_providers_are_not_there(server: RunningServer, operator: Console, metadata: str) -> None:
    """An ARN of another account cannot be read, changed or deleted."""
    theirs: Any = client_factory(server)("iam", server.new_account(OTHER))
    saml = theirs.create_saml_provider(Name="theirs", SAMLMetadataDocument=metadata)["SAMLProviderArn"]
    oidc = theirs.create_open_id_connect_provider(Url="https://theirs.example", ClientIDList=["x"])
    token = {"Form": operator.get(PROVIDERS).form("/operator/leave")["Form"]}
    assert "theirs" not in operator.get(PROVIDERS).words
    for address, arn in ((SAML, saml), (OIDC, oidc["OpenIDConnectProviderArn"])):
        assert operator.get(of(address, arn)).status in {403, 404}
        for action in (address, f"{address}/delete"):
            operator.post(action, {**token, "Arn": arn, "ClientIds": "evil", "Metadata": metadata})
    assert theirs.get_saml_provider(SAMLProviderArn=saml)["SAMLMetadataDocument"] == metadata
    kept = theirs.get_open_id_connect_provider(OpenIDConnectProviderArn=oidc["OpenIDConnectProviderArn"])
    assert kept["ClientIDList"] == ["x"]


def test_every_form_needs_its_permission(server: RunningServer, metadata: str) -> None:
    """A role that may only look reads which permission is missing, and changes nothing."""
    console = entered(server, "looking-at-providers")
    page = console.get(PROVIDERS)
    assert "iam:ListSAMLProviders" in page.words
    token = {"Form": page.form("/operator/leave")["Form"]}
    for form in FORMS:
        kind = "saml" if "saml" in form else "oidc"
        fields = {"Name": "x", "Metadata": metadata, "Url": "https://x.example", "ClientIds": "x"}
        answer = console.post(form, {**token, **fields, "Arn": f"arn:aws:iam::{ACCOUNT}:{kind}-provider/x"})
        assert (answer.status, answer.heading) == (403, "You do not have this permission"), form


@pytest.mark.parametrize("form", FORMS)
def test_every_form_needs_its_token(operator: Console, form: str) -> None:
    """A form of another session is refused before IAM is called."""
    answer = operator.post(form, {"Form": "0" * 32, "Arn": "x", "Name": "x", "Url": "x"})
    assert (answer.status, "belongs to another session" in answer.words) == (403, True)
