"""One key of the deployment signs requests to providers; our metadata contains it and an operator rotates it."""

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from click.testing import CliRunner
from cryptography import x509
from lxml import etree, html
from tests.federation.saml.test_requests import verify_query

from daypass.cli.main import cli
from daypass.config import Config
from daypass.directory import records
from daypass.directory.entities.saml_entities import SamlRequestKey
from daypass.key_maintenance import KeyMaintenance
from daypass.operations.saml_request_keys import load_request_ring
from daypass.storage.master_key import MasterKeySource
from daypass.testing.plugin import client_factory
from daypass.testing.saml import SamlIdentityProvider
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server
from daypass.wiring_store import open_everything

_POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_BROKEN = "The key that signs sign-in requests cannot be used."


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """Run a server with a provider that requires signed requests, like Keycloak's default metadata."""
    with running_server() as running:
        register(running, SamlIdentityProvider("https://keycloak.example.org/realms/acme", keys=[make_key_pair()]))
        yield running


def register(server: RunningServer, idp: SamlIdentityProvider, *, only_post: bool = False) -> None:
    """Register a provider that requires signed requests."""
    metadata = idp.metadata_xml().replace(
        "<md:IDPSSODescriptor ", '<md:IDPSSODescriptor WantAuthnRequestsSigned="true" '
    )
    if only_post:
        metadata = metadata.replace("bindings:HTTP-Redirect", "bindings:HTTP-Artifact")
    name = urlsplit(idp.entity_id).hostname
    client_factory(server)("iam").create_saml_provider(Name=name, SAMLMetadataDocument=metadata)


def get(server: RunningServer, path: str) -> tuple[int, str, str]:
    """Return status, redirect target and text of a page."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    try:
        connection.request("GET", path, headers={"Accept": "text/html"})
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", ""), answer.read().decode()
    finally:
        connection.close()


def login_options(server: RunningServer) -> list[str]:
    """Return the links of the sign-in page."""
    links = html.fromstring(get(server, "/login")[2]).iter("a")
    return [link.get("href") or "" for link in links if link.get("class") == "login-option"]


def certificates(server: RunningServer) -> list[x509.Certificate]:
    """Return the certificates of our metadata, each once: the signing one is listed first and last."""
    status, _, text = get(server, "/saml/metadata.xml")
    assert status == 200
    found = etree.fromstring(text.encode()).iter("{http://www.w3.org/2000/09/xmldsig#}X509Certificate")
    named = [x509.load_der_x509_certificate(base64.b64decode(each.text or "")) for each in found]
    assert named[0] == named[-1]
    return named[:-1] or named


def signed_with(server: RunningServer) -> x509.Certificate:
    """Start a sign-in, and return the certificate of our metadata that verifies the request."""
    status, url, _ = get(server, login_options(server)[0])
    assert status == 303
    [used] = [each for each in certificates(server) if is_signed_by(url, each)]
    return used


def is_signed_by(url: str, certificate: x509.Certificate) -> bool:
    """Tell whether the signature of a URL is valid."""
    try:
        verify_query(urlsplit(url).query, certificate)
    except Exception as error:  # noqa: BLE001 - InvalidSignature alone is a no
        assert type(error).__name__ == "InvalidSignature"  # noqa: PT017 - the same
        return False
    return True


def test_a_provider_that_wants_signed_requests_gets_them(server: RunningServer) -> None:
    """The page lists it, and the certificate in our metadata verifies its requests."""
    assert certificates(server) == [signed_with(server)]
    query = parse_qs(urlsplit(get(server, login_options(server)[0])[1]).query)
    assert list(query) == ["SAMLRequest", "RelayState", "SigAlg", "Signature"]
    [pem] = [x509.load_pem_x509_certificate(get(server, "/saml/certificate.pem")[2].encode())]
    assert [pem] == certificates(server)


def test_the_first_request_makes_one_key(server: RunningServer) -> None:
    """Parallel first requests get the same new key, and it stays."""
    found: list[x509.Certificate] = []
    askers = [threading.Thread(target=lambda: found.extend(certificates(server))) for _ in range(6)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(30)
    assert len(found) == 6
    assert len(set(found)) == 1
    assert certificates(server) == found[:1]


def test_the_private_key_lies_sealed(server: RunningServer) -> None:
    """The store needs the master key to decrypt it, and a value of another key is refused."""
    certificates(server)
    with server.there.store.read() as reader:
        [record] = reader.page(records.kind_name(SamlRequestKey), "", limit=9)
        [key] = load_request_ring(reader).keys
    private = server.there.vault.decrypt(key.material.sealed_private, bound_to=key.material.key_name)
    assert private[40:80] not in base64.b64decode(json.loads(record.body)["sealed_private"])
    assert b"PRIVATE" not in record.body


def put(server: RunningServer, **changes: object) -> None:
    """Replace the one key in the store."""
    with server.there.store.write() as writer:
        [key] = load_request_ring(writer).keys
        records.replace(writer, msgspec.structs.replace(key.material, **changes))


@pytest.mark.parametrize("case", ["damaged", "another key's", "of another store"])
def test_a_key_that_cannot_be_used_is_said_to_be(server: RunningServer, case: str) -> None:
    """The error names the solution; it is not an unsigned request or a traceback. Our metadata still works."""
    used = signed_with(server)
    with server.there.store.read() as reader:
        [key] = load_request_ring(reader).keys
    other = server.there.vault.encrypt(b"no key", bound_to=key.material.key_name)
    moved = server.there.vault.encrypt(b"no key", bound_to="another")
    put(server, sealed_private={"damaged": b"\0" * 99, "another key's": moved, "of another store": other}[case])
    status, url, text = get(server, login_options(server)[0])
    assert (status, url) == (503, "")
    assert _BROKEN in text
    assert "daypass saml rotate-key --now" in text
    assert certificates(server) == [used]
    event = server.audit.audit_records[-1]
    assert event.fault is not None
    assert event.fault.detail.startswith("the key of SAML requests ")


def test_a_clock_that_is_behind_is_said_to_be(server: RunningServer) -> None:
    """A key is not active before its creation."""
    certificates(server)
    server.clock.move(timedelta(days=-1))
    for path in (login_options(server)[0], "/saml/metadata.xml"):
        status, _, text = get(server, path)
        assert status == 503
        assert "the clock of this server is behind" in text


def test_a_form_is_signed_inside_the_document() -> None:
    """A provider that only accepts forms gets the signature after the Issuer."""
    with running_server() as server:
        idp = SamlIdentityProvider("https://forms.example.org", keys=[make_key_pair()])
        register(server, idp, only_post=True)
        status, _, text = get(server, login_options(server)[0])
        assert status == 200
        form = next(form for form in html.fromstring(text).iter("form") if form.get("action") != "/theme")
        assert form.get("action") == "https://forms.example.org/sso"
        fields = {field.get("name"): field.get("value") or "" for field in form.iter("input")}
        request = etree.fromstring(base64.b64decode(fields["SAMLRequest"]))
        assert [child.tag.rpartition("}")[2] for child in request] == ["Issuer", "Signature", "NameIDPolicy"]
        assert fields["RelayState"] == request.get("ID")


class Operator:
    """An operator on the machine of a store, and the responses of servers that start there."""

    def __init__(self, folder: Path) -> None:
        self.store = f"sqlite:///{folder}/daypass.db"

    def run(self, *words: str) -> str:
        """Run a command."""
        done = CliRunner().invoke(cli, [*words, "--store", self.store], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    def keys(self, *words: str) -> list[str]:
        """Run a command that lists keys; return the states of the request signing keys, oldest first."""
        listed = json.loads(self.run(*words, "--output", "json"))["Keys"]
        assert "sealed" not in json.dumps(listed).replace("sealing", "")
        mine = [key for key in listed if key["Purpose"] == "saml"]
        assert all(key["CertificateEnds"] > key["CreateDate"] for key in mine)
        return [key["State"] for key in mine]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """Create an empty store."""
    made = Operator(tmp_path)
    open_everything(Config(store=made.store), MasterKeySource()).store.close()
    return made


def test_a_key_is_rotated_in_two_steps(operator: Operator) -> None:
    """The new key is published first, and rotating twice has the effect of once; `--now` activates it."""
    assert operator.keys("keys", "list") == []
    assert operator.keys("saml", "rotate-key") == ["active"]
    assert operator.keys("saml", "rotate-key", "--after", "30") == ["active", "published"]
    assert operator.keys("saml", "rotate-key") == ["active", "published"]
    assert "already published" in operator.run("saml", "rotate-key")
    assert operator.keys("saml", "rotate-key", "--now") == ["retired", "active"]
    assert operator.keys("keys", "list") == ["retired", "active"]
    assert operator.keys("saml", "rotate-key", "--now")[-1] == "active"
    assert "signs from now on" in operator.run("saml", "rotate-key", "--now")


def test_a_server_follows_the_rotation(tmp_path: Path) -> None:
    """Our metadata has both, the signing one first; the old key ends with its last request and is destroyed."""
    operator = Operator(tmp_path)
    with running_server(store=operator.store) as server:
        register(server, SamlIdentityProvider("https://keycloak.example.org", keys=[make_key_pair()]))
        first = signed_with(server)
        operator.run("saml", "rotate-key")
        [one, second] = certificates(server)
        assert one == first == signed_with(server)
        server.clock.move(timedelta(days=7, seconds=1))
        assert certificates(server) == [second, first]
        assert signed_with(server) == second
        server.clock.move(timedelta(minutes=16))
        assert certificates(server) == [second]
        there = server.there
        KeyMaintenance(there.store, there.vault, server.clock, there.entropy, rotate_days=90).maintain()
        with there.store.read() as reader:
            assert len(load_request_ring(reader).keys) == 1
        assert signed_with(server) == second


def test_a_broken_key_is_replaced_at_once(tmp_path: Path) -> None:
    """The solution in the error message works."""
    operator = Operator(tmp_path)
    with running_server(store=operator.store) as server:
        register(server, SamlIdentityProvider("https://keycloak.example.org", keys=[make_key_pair()]))
        first = signed_with(server)
        put(server, sealed_private=b"\0")
        assert get(server, login_options(server)[0])[0] == 503
        operator.run("saml", "rotate-key", "--now")
        assert signed_with(server) != first
