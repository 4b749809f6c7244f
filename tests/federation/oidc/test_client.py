"""Daypass as a client of a provider: the authorization URL, client authentication, and the checks of the answer."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.federation.oidc.world import fetcher

from daypass.errors import InvalidIdentityToken
from daypass.federation.oidc.issuers.client import (
    Client,
    Endpoints,
    authorization_url,
    discover,
    redeem_code,
    require_nonce,
    uses_form_post,
)
from daypass.federation.oidc.network.fetch import (
    IssuerUnreachableError,
    UnacceptableAnswerError,
    UnauthorizedFetchError,
)
from daypass.testing.oidc import DISCOVERY, Answer, OidcIssuer
from daypass.testing.oidc_sign_in import TOKEN

PLACES = {"authorization_endpoint": "https://idp.example/a", "token_endpoint": "https://idp.example/t"}


@pytest.fixture(scope="module")
def running() -> Iterator[OidcIssuer]:
    """Run one issuer for all tests of the file."""
    with OidcIssuer(algorithms=("ES256",)) as issuer:
        yield issuer


@pytest.fixture
def issuer(running: OidcIssuer) -> OidcIssuer:
    """Return the issuer, with its honest behaviour restored."""
    running.answers.clear()
    return running


@pytest.mark.parametrize("given", ["", "m", "n2", "o", "N", None, 0, True, ["n"]])
def test_a_token_of_another_sign_in_is_refused(given: object) -> None:
    """The nonce must be exactly the one of this sign-in, and a string."""
    require_nonce({"nonce": "n"}, "n")
    for claims in ({"nonce": given}, {}):
        with pytest.raises(InvalidIdentityToken) as refused:
            require_nonce(claims, "n")
        assert refused.value.detail == "another nonce"


def found(issuer: OidcIssuer, **said: Any) -> Endpoints:
    """Return the endpoints of a discovery document."""
    issuer.answers = {DISCOVERY: Answer.document({"issuer": issuer.url, **PLACES, **said})}
    return asyncio.run(discover(Client(issuer.url, "c"), fetcher(issuer)))


@pytest.mark.parametrize(
    ("said", "takes_basic"),
    [
        ({}, True),
        ({"token_endpoint_auth_methods_supported": ["client_secret_post"]}, False),
        ({"token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]}, True),
        ({"token_endpoint_auth_methods_supported": []}, False),
        ({"token_endpoint_auth_methods_supported": "client_secret_basic"}, False),
    ],
)
def test_how_a_provider_wants_to_see_the_secret(issuer: OidcIssuer, said: dict[str, Any], *, takes_basic: bool) -> None:
    """In a header, unless the document says otherwise (OpenID Connect Discovery 1.0 section 3)."""
    assert found(issuer, **said).takes_basic is takes_basic


@pytest.mark.parametrize(
    ("said", "names_itself"), [(True, True), (False, False), ("true", False), (1, False), (None, False)]
)
def test_whether_a_provider_names_itself_in_its_answers(
    issuer: OidcIssuer, said: object, *, names_itself: bool
) -> None:
    """RFC 9207: only `true` is a promise."""
    assert found(issuer, authorization_response_iss_parameter_supported=said).names_itself is names_itself


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ({}, "openid email profile"),
        ({"scopes_supported": ["openid"]}, "openid"),
        ({"scopes_supported": ["profile", "openid", "zone"]}, "openid profile"),
        ({"scopes_supported": []}, "openid"),
        ({"scopes_supported": "email"}, "openid email profile"),
    ],
)
def test_the_requested_scopes(issuer: OidcIssuer, said: dict[str, Any], scopes: str) -> None:
    """The scopes for a person's name, if the provider supports them."""
    client = Client(issuer.url, "our id")
    url = authorization_url(
        client, found(issuer, **said), redirect_uri="https://us/cb", state="s", nonce="n", verifier="v"
    )
    assert parse_qs(urlsplit(url).query)["scope"] == [scopes]


@pytest.mark.parametrize(
    ("said", "chosen", "is_posted"),
    [
        ({}, "", False),
        ({"response_modes_supported": ["query", "form_post"]}, "", False),
        ({"response_modes_supported": ["form_post"]}, "", True),
        ({"response_modes_supported": ["form_post"]}, "query", False),
        ({"response_modes_supported": ["fragment"]}, "", False),
        ({"response_modes_supported": "form_post"}, "", False),
        ({"response_modes_supported": ["query"]}, "form_post", True),
    ],
)
def test_the_response_mode(issuer: OidcIssuer, said: dict[str, Any], chosen: str, *, is_posted: bool) -> None:
    """The operator's mode, else a form if the provider does not answer in the URL."""
    assert uses_form_post(Client(issuer.url, "c", response_mode=chosen), found(issuer, **said)) is is_posted


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("place", [None, "", "http://idp.example/a", "javascript:alert(1)", 1])
def test_a_provider_without_places_to_sign_in_at(issuer: OidcIssuer, name: str, place: object) -> None:
    """Both must be plain https URLs."""
    with pytest.raises(UnacceptableAnswerError, match="no https endpoints"):
        found(issuer, **{name: place})


@pytest.mark.parametrize(("place", "mark"), [("https://idp.example/a", "?"), ("https://idp.example/a?tenant=x", "&")])
def test_where_people_are_sent(place: str, mark: str) -> None:
    """The URL has every parameter that binds the answer to this sign-in (RFC 7636, S256)."""
    client = Client("https://idp.example:8443/x", "our id")
    endpoints = Endpoints(
        place, "https://idp.example/t", takes_basic=True, names_itself=False, scopes=frozenset({"openid"})
    )
    url = authorization_url(client, endpoints, redirect_uri="https://us/cb", state="s", nonce="n", verifier="v")
    assert url.startswith(f"{place}{mark}response_type=code&")
    query = parse_qs(urlsplit(url).query)
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"v").digest()).rstrip(b"=").decode()
    assert {name: value[0] for name, value in query.items() if name != "tenant"} == {
        "response_type": "code",
        "client_id": "our id",
        "redirect_uri": "https://us/cb",
        "scope": "openid",
        "state": "s",
        "nonce": "n",
        "code_challenge": digest,
        "code_challenge_method": "S256",
    }
    assert (client.host, client.name) == ("idp.example:8443", "idp.example:8443/x")


@pytest.mark.parametrize(
    "answer", [{}, {"id_token": None}, {"id_token": 1}, {"access_token": "x"}, {"id_token": ["x"]}]
)
def test_an_answer_without_a_token(issuer: OidcIssuer, answer: dict[str, Any]) -> None:
    """Only a string in id_token is a token; an access token is not."""
    issuer.answers = {TOKEN: Answer.document(answer)}
    endpoints = Endpoints("", f"{issuer.url}/token", takes_basic=True, names_itself=False, scopes=frozenset({"openid"}))
    redeemed = redeem_code(
        Client(issuer.url, "c"), endpoints, fetcher(issuer), code="c", redirect_uri="https://us/cb", verifier="v"
    )
    with pytest.raises(UnacceptableAnswerError, match="its answer has no id_token"):
        asyncio.run(redeemed)


STATUSES: dict[int, type[Exception]] = {
    201: UnacceptableAnswerError,
    204: UnacceptableAnswerError,
    302: UnacceptableAnswerError,
    400: UnacceptableAnswerError,
    401: UnauthorizedFetchError,
    402: UnacceptableAnswerError,
    403: UnauthorizedFetchError,
    404: UnacceptableAnswerError,
    428: UnacceptableAnswerError,
    429: IssuerUnreachableError,
    430: UnacceptableAnswerError,
    499: UnacceptableAnswerError,
    500: IssuerUnreachableError,
    503: IssuerUnreachableError,
    599: IssuerUnreachableError,
}


@pytest.mark.parametrize("status", STATUSES)
def test_what_a_status_means(issuer: OidcIssuer, status: int) -> None:
    """A temporary failure is IssuerUnreachableError, a permanent one UnacceptableAnswerError."""
    issuer.answers = {DISCOVERY: Answer(status=status, body=b"{}")}
    with pytest.raises(STATUSES[status]) as refused:
        asyncio.run(fetcher(issuer).get(issuer.url + DISCOVERY))
    assert type(refused.value) is STATUSES[status]


@pytest.mark.parametrize(
    ("encoding", "taken"),
    [("identity", True), ("Identity", True), ("gzip", False), ("br", False), ("zstd", False), ("", False)],
)
def test_an_answer_is_not_compressed(issuer: OidcIssuer, encoding: str, *, taken: bool) -> None:
    """A compressed answer may be small on the wire and large in memory."""
    issuer.answers = {DISCOVERY: Answer(body=b"{}", headers=(("Content-Encoding", encoding),))}
    asked = fetcher(issuer).get(issuer.url + DISCOVERY)
    if taken:
        assert asyncio.run(asked) == b"{}"
        return
    with pytest.raises(UnacceptableAnswerError, match="compressed"):
        asyncio.run(asked)


@pytest.mark.parametrize(("over", "taken"), [(-1, True), (0, True), (1, False)])
def test_a_document_at_its_longest(issuer: OidcIssuer, over: int, *, taken: bool) -> None:
    """256 KiB."""
    issuer.answers = {DISCOVERY: Answer(body=b" " * (256 * 1024 + over))}
    asked = fetcher(issuer).get(issuer.url + DISCOVERY)
    if taken:
        assert len(asyncio.run(asked)) == 256 * 1024 + over
        return
    with pytest.raises(UnacceptableAnswerError, match="larger than 256 KiB"):
        asyncio.run(asked)
