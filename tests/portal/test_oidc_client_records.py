"""Clients of the store: sign-in with each method, changes without a restart, tenancy, and their keys."""

import ipaddress
import json
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from tests.portal.conftest import ACCOUNT
from tests.portal.oidc_scene import Errand, callback, code_for, pages_of

from daypass.audit.event import to_event
from daypass.base64url import parse_base64url
from daypass.config import ClientSetting, Config
from daypass.directory.entities.oidc_entities import OidcSignInClient
from daypass.directory.secret_box import SecretDecryptionError
from daypass.mint.secret import Secret
from daypass.operations.oidc_client_changes import (
    OidcClientSettings,
    add_client,
    change_client,
    find_client_record,
    remove_client,
    rotate_client_key,
)
from daypass.portal.operator.operator_audit import AuditSearch, find_events
from daypass.testing.oidc import OidcIssuer
from daypass.testing.oidc_sign_in import SignInPages
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

CLIENT, SECRET = "daypass of the store", "s3cret:%+ä of the store"
OTHER = "210987654321"
DAY = 86_400


class Place:
    """A server and an issuer whose client is a record."""

    def __init__(self, server: RunningServer, issuer: OidcIssuer) -> None:
        self.server, self.issuer = server, issuer

    @property
    def pages(self) -> SignInPages:
        """The sign-in pages of the issuer."""
        return pages_of(self.issuer)

    @property
    def home(self) -> str:
        """The redirect URI."""
        return callback(self.server.url, self.issuer)

    def add(self, account: str = ACCOUNT, name: str = "corp", **settings: Any) -> OidcSignInClient:
        """Store a client; it replaces the one with this name."""
        there = self.server.there
        client_id = settings.pop("client_id", CLIENT)
        with there.store.write() as writer:
            old = find_client_record(writer, account, name)
            if old is not None:
                remove_client(writer, old)
            return add_client(
                writer,
                account,
                name,
                issuer=self.issuer.url,
                client_id=client_id,
                settings=OidcClientSettings(**settings),
                vault=there.vault,
                now=there.clock.now(),
                most=20,
            )

    def change(self, client: OidcSignInClient, **settings: Any) -> OidcSignInClient:
        """Change a client."""
        there = self.server.there
        with there.store.write() as writer:
            return change_client(
                writer, client, OidcClientSettings(**settings), vault=there.vault, now=there.clock.now()
            )

    def sign_in(self, client: OidcSignInClient) -> str:
        """Sign in, and return the last page."""
        errand = Errand(self.server.url)
        asked = errand.begin(self.issuer, client.key)
        said = {"state": asked["state"], "code": code_for(self.issuer, asked), "iss": self.issuer.url}
        return errand.come_back(self.home, **said) or errand.get("/roles")[2]

    @property
    def details(self) -> list[str]:
        """The details of refused sign-ins in the audit log."""
        events = self.server.audit.audit_records
        return [one.fault.detail for one in events if one.action == "OIDCSignIn" and one.fault is not None]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """Run a server without clients in its settings, and an issuer that the account trusts."""
    with OidcIssuer() as issuer:
        config = Config(
            oidc_ca_bundle=str(issuer.ca_bundle), oidc_allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),)
        )
        with running_server(account=ACCOUNT, config=config) as server:
            server.new_account(OTHER, name="other")
            trust_issuer(server, issuer)
            yield Place(server, issuer)


@pytest.fixture(autouse=True)
def honest(place: Place) -> None:
    """Let the issuer behave well, and remove all clients."""
    claims = {"sub": "sub-1", "email": "alice@example.org"}
    place.issuer.sign_in = SignInPages(CLIENT, SECRET, place.home, claims=claims)
    place.issuer.discovery_changes.clear()
    with place.server.there.store.write() as writer:
        for account in (ACCOUNT, OTHER):
            for name in ("corp", "second"):
                found = find_client_record(writer, account, name)
                if found is not None:
                    remove_client(writer, found)


def trust_issuer(server: RunningServer, issuer: OidcIssuer) -> None:
    """Let one role trust the issuer."""
    iam = client_factory(server)("iam")
    arn = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[CLIENT])["OpenIDConnectProviderArn"]
    aud = f"{issuer.url.removeprefix('https://')}:aud"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {aud: CLIENT}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.create_role(RoleName="engineer", AssumeRolePolicyDocument=document)


# Client authentication


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("chosen", ["", "the same"])
def test_a_client_with_a_secret_signs_people_in(place: Place, method: str, chosen: str) -> None:
    """Without a chosen method, the server tries both."""
    place.pages.method = method
    client = place.add(secret=Secret(SECRET), authentication=method if chosen else "")
    assert "Your roles" in place.sign_in(client)


@pytest.mark.parametrize(
    ("chosen", "accepted"),
    [("client_secret_basic", "client_secret_post"), ("client_secret_post", "client_secret_basic")],
)
def test_a_chosen_method_is_the_only_one(place: Place, chosen: str, accepted: str) -> None:
    """The secret is not sent in another form than the operator chose."""
    place.pages.method = accepted
    assert "is not set up correctly" in place.sign_in(place.add(secret=Secret(SECRET), authentication=chosen))


def test_a_public_client_signs_people_in(place: Place) -> None:
    """Only PKCE protects its codes."""
    place.pages.secret = ""
    assert "Your roles" in place.sign_in(place.add(authentication="none"))


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_client_signs_its_assertions(place: Place, algorithm: str) -> None:
    """RFC 7523: the provider verifies them with the keys at the client's URL; each jti occurs once."""
    client = place.add(authentication="private_key_jwt", key_algorithm=algorithm)
    seen: list[dict[str, Any]] = []

    def check(form: dict[str, Any]) -> bool:
        assert "client_secret" not in form
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        seen.append(verified(form["client_assertion"], jwks(place, client), algorithm))
        return True

    place.pages.check_client = check
    assert "Your roles" in place.sign_in(client)
    assert "Your roles" in place.sign_in(client)
    for claims in seen:
        assert claims["iss"] == claims["sub"] == CLIENT
        assert claims["aud"] == f"{place.issuer.root}/token"
        assert 0 < claims["exp"] - claims["iat"] <= 300
        assert "nbf" not in claims
    assert len({claims["jti"] for claims in seen}) == len(seen) == 2


def test_a_key_is_published_before_it_signs(place: Place) -> None:
    """The former key stays published until its last assertion has expired."""
    client = place.add(authentication="private_key_jwt")
    [first] = jwks(place, client)["keys"]
    assert set(first) == {"kty", "crv", "x", "y", "use", "alg", "kid"}
    there = place.server.there
    with there.store.write() as writer:
        client = rotate_client_key(writer, client, after=DAY, vault=there.vault, now=there.clock.now())
    assert [key["kid"] for key in jwks(place, client)["keys"]] == [first["kid"], client.keys[1].id]
    assert signing_key(place, client) == first["kid"]
    with there.store.write() as writer:
        client = rotate_client_key(writer, client, after=0, vault=there.vault, now=there.clock.now())
    assert signing_key(place, client) == client.keys[1].id
    assert [key["kid"] for key in jwks(place, client)["keys"]] == [client.keys[1].id, first["kid"]]


@pytest.mark.parametrize("settings", [{"sealed_secret": b"\x01" + bytes(60)}, {"sealed_secret": b"odd"}])
def test_a_damaged_secret_signs_nobody_in(place: Place, settings: dict[str, Any]) -> None:
    """The page names the remedy, and no code is sent without client authentication."""
    import msgspec

    from daypass.directory import records

    client = place.add(secret=Secret(SECRET))
    with place.server.there.store.write() as writer:
        records.replace(writer, msgspec.structs.replace(client, **settings))
    before = place.issuer.requests["/token"]
    assert "daypass oidc client set" in place.sign_in(client)
    assert place.issuer.requests["/token"] == before
    with pytest.raises(SecretDecryptionError):
        place.server.there.vault.decrypt(client.sealed_secret, bound_to="oidc-client-secret:other")


# Changes


def test_a_change_needs_no_restart(place: Place) -> None:
    """A client appears on the page, follows changes of its secret and scopes, and disappears."""
    client = place.add(secret=Secret("wrong"))
    link = f"/login/oidc/{client.key}"
    errand = Errand(place.server.url)
    assert link in errand.get("/login")[2]
    assert "is not set up correctly" in place.sign_in(client)
    client = place.change(client, secret=Secret(SECRET), scopes=("groups",))
    assert "Your roles" in place.sign_in(client)
    assert errand.begin(place.issuer, client.key)["scope"] == "openid groups"
    waiting = Errand(place.server.url)
    asked = waiting.begin(place.issuer, client.key)
    with place.server.there.store.write() as writer:
        remove_client(writer, client)
    assert link not in errand.get("/login")[2]
    assert errand.get(link)[0] == 404
    code = code_for(place.issuer, asked)
    page = waiting.come_back(place.home, state=asked["state"], code=code, iss=place.issuer.url)
    assert "does not exist" in page
    assert code in place.pages.codes


# Tenancy


def test_two_accounts_have_two_links(place: Place) -> None:
    """The page names the account of each; a client of one account never uses the credentials of another."""
    ours, theirs = place.add(secret=Secret(SECRET)), place.add(OTHER, secret=Secret("guess"))
    assert ours.key != theirs.key
    page = Errand(place.server.url).get("/login")[2]
    assert page.index(f"/login/oidc/{ours.key}") != page.index(f"/login/oidc/{theirs.key}")
    assert ACCOUNT in page
    assert "other" in page
    assert "Your roles" in place.sign_in(ours)
    assert "is not set up correctly" in place.sign_in(theirs)


def test_a_sign_in_opens_only_the_roles_that_trust_its_client(place: Place) -> None:
    """Another account's client of the same issuer has another client id, which the trust policy does not name."""
    theirs = place.add(OTHER, client_id="of another account", secret=Secret(SECRET))
    place.pages.client_id = "of another account"
    assert "Your roles" not in place.sign_in(theirs)


def test_one_account_cannot_fill_the_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts take turns; a client that the page omits works by its link."""
    from daypass.operations import oidc_clients

    monkeypatch.setattr(oidc_clients, "MOST_LISTED", 2)
    mine = [place.add(name="corp", order=1), place.add(name="second", client_id="two", order=2)]
    other = place.add(OTHER, order=9)
    page = Errand(place.server.url).get("/login")[2]
    assert [f"/login/oidc/{client.key}" in page for client in (*mine, other)] == [True, False, True]
    assert Errand(place.server.url).get(f"/login/oidc/{mine[1].key}")[0] == 303


def test_a_client_of_the_settings_wins(place: Place) -> None:
    """A record with the same issuer and client id is neither listed nor usable, whichever account has it."""
    setting = ClientSetting(place.issuer.url, CLIENT)
    with running_server(account=ACCOUNT, config=Config(oidc_clients=(setting,))) as server:
        same = Place(server, place.issuer)
        hidden, other = same.add(secret=Secret(SECRET)), same.add(name="second", client_id="another")
        page = Errand(server.url).get("/login")[2]
        assert f"/login/oidc/{hidden.key}" not in page
        assert f"/login/oidc/{other.key}" in page
        assert Errand(server.url).get(f"/login/oidc/{hidden.key}")[0] == 404


# The response as a form


@pytest.mark.parametrize("asks", ["the client", "the discovery document"])
def test_a_response_may_be_a_form(place: Place, asks: str) -> None:
    """Its cookie, and only its cookie, is sent with cross-site forms."""
    if asks == "the discovery document":
        place.issuer.discovery_changes["response_modes_supported"] = ["form_post"]
        place.server.clock.move(timedelta(minutes=6))
        client = place.add(secret=Secret(SECRET))
    else:
        client = place.add(secret=Secret(SECRET), response_mode="form_post")
    errand = Errand(place.server.url)
    headers = errand.get(f"/login/oidc/{client.key}")[1]
    assert "samesite=none" in headers["set-cookie"].lower()
    assert "secure" in headers["set-cookie"].lower()
    asked = errand.begin(place.issuer, client.key)
    assert asked["response_mode"] == "form_post"
    said = {"state": asked["state"], "code": code_for(place.issuer, asked), "iss": place.issuer.url}
    errand.post_text(place.home, urlencode(said))
    assert "Your roles" in errand.get("/roles")[2]
    assert "started in another browser" in errand.post_text(place.home, urlencode(said))


def test_an_ordinary_cookie_is_not_sent_across_sites(place: Place) -> None:
    """Without the response mode, browsers keep the cookie from forms of other sites."""
    place.server.clock.move(timedelta(minutes=6))
    headers = Errand(place.server.url).get(f"/login/oidc/{place.add(secret=Secret(SECRET)).key}")[1]
    assert "samesite=lax" in headers["set-cookie"].lower()
    assert "response_mode" not in headers["location"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("&state=x", "occurs twice"),
        ("&code=x", "occurs twice"),
        ("&iss=https%3A%2F%2Fevil.example.org", "started in another browser"),
        ("&error=access_denied&error_description=x", "did not sign you in"),
        ("&x=" + "y" * 40_000, "larger than 32768 bytes"),
        ("&x=%ff", "syntax error"),
    ],
)
def test_a_form_that_is_odd_is_refused(place: Place, more: str, says: str) -> None:
    """A form follows the rules of a response in the URL, and each field occurs once."""
    client = place.add(secret=Secret(SECRET), response_mode="form_post")
    errand = Errand(place.server.url)
    asked = errand.begin(place.issuer, client.key)
    sent = urlencode({"state": asked["state"], "code": code_for(place.issuer, asked)})
    assert says in errand.post_text(place.home, sent + more)


def test_a_secret_is_in_no_page_log_or_record(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """The server opens the secret for one request to the provider."""
    client = place.add(secret=Secret(SECRET))
    pages = place.sign_in(client) + Errand(place.server.url).get("/login")[2]
    for text in (pages, repr(client), repr(place.server.audit.audit_records), *capfd.readouterr()):
        assert "s3cret" not in text


def jwks(place: Place, client: OidcSignInClient) -> Any:
    """Return the published keys of a client."""
    status, headers, text = Errand(place.server.url).get(f"/login/oidc/clients/{client.key}/jwks.json")
    assert (status, headers["content-type"]) == (200, "application/jwk-set+json")
    return json.loads(text)


def signing_key(place: Place, client: OidcSignInClient) -> str:
    """Return the id of the key that signs the next assertion."""
    headers: list[str] = []

    def check(form: dict[str, Any]) -> bool:
        headers.append(json.loads(parse_base64url(form["client_assertion"].split(".")[0]))["kid"])
        return True

    place.pages.check_client = check
    place.sign_in(client)
    return headers[0]


def verified(assertion: str, keys: Any, algorithm: str) -> dict[str, Any]:
    """Verify an assertion as a provider would, and return its claims."""
    header, claims, signature = assertion.split(".")
    head = json.loads(parse_base64url(header))
    assert head["alg"] == algorithm
    [key] = [each for each in keys["keys"] if each["kid"] == head["kid"]]
    number = {name: int.from_bytes(parse_base64url(key[name])) for name in ("n", "e", "x", "y") if name in key}
    raw, signed = parse_base64url(signature), f"{header}.{claims}".encode()
    if algorithm == "RS256":
        public = rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
        public.verify(raw, signed, padding.PKCS1v15(), SHA256())
    else:
        point = ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key()
        der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        point.verify(der, signed, ec.ECDSA(SHA256()))
    decoded: dict[str, Any] = json.loads(parse_base64url(claims))
    return decoded


def test_an_invented_link_stays_out_of_the_cache(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone can invent links: none of them reads the store, whose results the cache keeps."""
    from daypass.operations import oidc_clients

    read: list[str] = []
    real = oidc_clients.load_client_record

    def watched(reader: Any, key: str) -> Any:
        read.append(key)
        return real(reader, key)

    monkeypatch.setattr(oidc_clients, "load_client_record", watched)
    client = place.add(authentication="private_key_jwt")
    errand = Errand(place.server.url)
    for invented in ("0" * 32, "x" * 3_000, "%00", "%F0%9F%98%80"):
        assert errand.get(f"/login/oidc/{invented}")[0] == 404
        assert errand.get(f"/login/oidc/clients/{invented}/jwks.json")[0] == 404
    assert read == []
    jwks(place, client)
    assert read == [client.key]


def test_the_sign_ins_of_a_client_end_with_it(place: Place) -> None:
    """The person signs in again, and no role can be taken with the former sign-in."""
    client = place.add(secret=Secret(SECRET))
    errand = Errand(place.server.url)
    asked = errand.begin(place.issuer, client.key)
    errand.come_back(place.home, state=asked["state"], code=code_for(place.issuer, asked), iss=place.issuer.url)
    status, _, text = errand.get("/roles")
    assert (status, "engineer" in text) == (200, True)
    with place.server.there.store.write() as writer:
        remove_client(writer, client)
    status, headers, _ = errand.get("/roles")
    assert (status, headers["location"].partition("?")[0]) == (303, "/login")


def test_a_label_never_replaces_the_host(place: Place) -> None:
    """An account chooses the label and the logo; the page shows where people are sent, and escapes both."""
    host = place.issuer.root.removeprefix("https://")
    place.add(label="<b>Acme</b> & co", logo="/brand/acme.svg", secret=Secret(SECRET))
    page = Errand(place.server.url).get("/login")[2]
    assert "&lt;b&gt;Acme&lt;/b&gt; &amp; co" in page
    assert "<b>Acme" not in page
    assert f">{host}<" in page
    assert '<img src="/brand/acme.svg" alt="">' in page


def test_the_order_decides_the_place(place: Place) -> None:
    """Low numbers come first; clients with the same number are sorted by host."""
    later, first = place.add(order=2), place.add(name="second", client_id="two", order=1)
    page = Errand(place.server.url).get("/login")[2]
    assert page.index(first.key) < page.index(later.key)


def test_the_event_of_a_sign_in_names_the_account_of_its_client(place: Place) -> None:
    """So the audit page of that account, and of no other account, shows it."""
    place.sign_in(place.add(secret=Secret(SECRET)))
    event = next(one for one in reversed(place.server.audit.audit_records) if one.action == "OIDCSignIn")
    name = place.issuer.url.removeprefix("https://")
    assert event.parameters == {"PrincipalArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{name}"}
    line = msgspec.json.encode(to_event(event))
    assert [is_shown(line, account) for account in (ACCOUNT, OTHER)] == [True, False]


def is_shown(line: bytes, account: str) -> bool:
    """Tell whether the audit page of an account shows a line of the log."""
    with tempfile.NamedTemporaryFile() as log:
        log.write(line + b"\n")
        log.flush()
        return bool(find_events(log.name, account, AuditSearch()).entries)
