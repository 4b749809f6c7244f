"""Issuers that hang, flood, redirect to private addresses or lie.

Each costs limited time, ends in AWS's error, and is not contacted again at once.
"""

import asyncio
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests.federation.oidc.world import LOOPBACK, SECONDS, SHORT, MovedClock, exchange, fetcher, terms

from daypass.errors import Fault, IDPCommunicationError, InvalidIdentityToken
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.network.fetch import Fetcher, FetchLimits, IssuerUnreachableError, UnacceptableAnswerError
from daypass.federation.oidc.provider import ProviderTerms
from daypass.testing.certificates import Flaw
from daypass.testing.oidc import DISCOVERY, KEYS, Answer, OidcIssuer

NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[OidcIssuer]:
    """Run one issuer for all tests of the module."""
    with OidcIssuer(algorithms=("ES256",)) as running:
        yield running


@pytest.fixture(autouse=True)
def well_behaved(issuer: OidcIssuer) -> None:
    """Begin each test with an honest issuer."""
    issuer.answers.clear()
    issuer.discovery_changes.clear()
    issuer.requests.clear()


def attempt(
    issuer: OidcIssuer, using: Fetcher | None = None, provider: ProviderTerms | None = None, *, enforce: bool = False
) -> Fault | None:
    """Exchange a genuine token twice and return the refusal.

    The second attempt must not contact the issuer again.
    """
    clock = MovedClock()
    keys = IssuerKeys(using or fetcher(issuer), clock, enforce_thumbprints=enforce)

    async def run() -> Fault | None:
        refusals: list[Fault | None] = []
        for _ in range(2):
            try:
                await exchange(keys, provider or terms(issuer), issuer.token(alg="ES256"), clock)
                refusals.append(None)
            except Fault as refusal:
                refusals.append(refusal)
        await keys.close()
        assert (refusals[0] is None) == (refusals[1] is None)
        return refusals[0]

    started = time.monotonic()
    refusal = asyncio.run(run())
    assert time.monotonic() - started < SECONDS / 2
    assert max(issuer.requests.values(), default=0) <= 1
    return refusal


def test_the_control_is_accepted(issuer: OidcIssuer) -> None:
    """An honest issuer on an allowed network, with a certificate of a trusted authority."""
    assert attempt(issuer) is None
    assert issuer.requests == {DISCOVERY: 1, KEYS: 1}


SLOW = {
    "hangs": Answer.hang(),
    "trickles": Answer.trickle(),
    "fails with 500": Answer.fail(500),
    "is unavailable": Answer.fail(503),
    "limits our rate": Answer.fail(429),
}
HOSTILE = {
    "floods": Answer.flood(),
    "never ends": Answer.endless(),
    "sends a gzip bomb": Answer.bomb(),
    "redirects to the metadata service": Answer.redirect("http://169.254.169.254/latest/meta-data/"),
    "redirects to loopback": Answer.redirect("https://127.0.0.1/"),
    "redirects to a file": Answer.redirect("file:///etc/passwd", 301),
    "redirects for ever": Answer.redirect(DISCOVERY, 308),
    "is not found": Answer.fail(404),
    "forbids": Answer.fail(403),
    "answers in HTML": Answer(body=b"<html></html>"),
    "answers nothing": Answer(body=b""),
    "answers null": Answer(body=b"null"),
    "answers an empty object": Answer(body=b"{}"),
    "answers deep": Answer(body=b'{"keys":' + b"[" * 100_000),
    "answers quotes": Answer(body=b'{"keys":' + b"[" * 20 + b'\\"' * 100_000),
    "has no content": Answer(status=204, body=b""),
}


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
@pytest.mark.parametrize("name", SLOW)
def test_what_may_pass_is_worth_a_retry(issuer: OidcIssuer, name: str, path: str) -> None:
    """Silence, slowness and the issuer's own failures give the one retryable error."""
    issuer.answers[path] = SLOW[name]
    assert isinstance(attempt(issuer, fetcher(issuer, seconds=SHORT)), IDPCommunicationError)


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
@pytest.mark.parametrize("name", HOSTILE)
def test_what_will_not_pass_is_not(issuer: OidcIssuer, name: str, path: str) -> None:
    """Answers that are too large, redirect or contain no key: no verification key, in AWS's words."""
    issuer.answers[path] = HOSTILE[name]
    refusal = attempt(issuer)
    assert isinstance(refusal, InvalidIdentityToken)
    assert refusal.message == NO_KEY


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
def test_the_document_that_could_not_be_read_is_named(issuer: OidcIssuer, path: str) -> None:
    """The audit log needs it: glewlwyd's discovery document, for one, is not at the URL that its issuer implies."""
    issuer.answers[path] = Answer.fail(404)
    refusal = attempt(issuer)
    assert refusal is not None
    assert refusal.detail == f"{issuer.root}{path}: it answered 404"


def test_header_lines_that_never_end(issuer: OidcIssuer) -> None:
    """The number and size of header lines are limited too."""
    issuer.answers[KEYS] = Answer.header_flood()
    assert attempt(issuer) is not None


def test_ten_thousand_keys(issuer: OidcIssuer) -> None:
    """A set with too many keys is not searched for the one that fits."""
    issuer.answers[KEYS] = Answer.document({"keys": [{"kty": "x"}] * 10_000 + issuer.published})
    refusal = attempt(issuer)
    assert refusal is not None
    assert refusal.detail == "more than 100 keys"


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://attacker.example"},
        {"issuer": "https://localhost"},
        {"issuer": None},
        {"issuer": ["https://localhost"]},
        {"jwks_uri": None},
        {"jwks_uri": ["https://localhost/keys"]},
        {"jwks_uri": "http://localhost/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://user:pass@localhost/keys"},
        {"jwks_uri": "//localhost/keys"},
        {"jwks_uri": "https://169.254.169.254/keys"},
        {"jwks_uri": "https://[::ffff:10.0.0.1]/keys"},
        {"jwks_uri": "https://10.0.0.1/keys"},
        {"jwks_uri": "https://localhost\\@attacker.example/keys"},
        {"jwks_uri": "https://localhost/keys\r\nHost: x"},
        {"jwks_uri": "https://localhost/" + "x" * 3000},
    ],
)
def test_discovery_documents_that_lie(issuer: OidcIssuer, changes: dict[str, object]) -> None:
    """The document must be the issuer's own, and contain an https URL with an allowed address."""
    issuer.discovery_changes.update(changes)
    refusal = attempt(issuer)
    assert isinstance(refusal, InvalidIdentityToken)
    assert refusal.message == NO_KEY
    assert issuer.requests[KEYS] == 0


def test_another_name_in_the_discovery_document_is_told(issuer: OidcIssuer) -> None:
    """The usual cause is a missing slash at the end: the audit log shows the issuer's own name."""
    issuer.discovery_changes["issuer"] = f"{issuer.url}/"
    refusal = attempt(issuer)
    assert refusal is not None
    assert refusal.detail == f"its discovery document names another issuer, '{issuer.url}/'"
    issuer.requests.clear()
    issuer.discovery_changes["issuer"] = "\n\x1b[2J" + "é" * 10_000
    refusal = attempt(issuer)
    assert refusal is not None
    assert refusal.detail.isascii()
    assert refusal.detail.isprintable()
    assert len(refusal.detail) < 2_000


def test_a_discovery_document_with_the_issuer_twice(issuer: OidcIssuer) -> None:
    """A document with two issuers is not valid."""
    issuer.answers[DISCOVERY] = Answer(
        body=b'{"issuer":"https://attacker.example","issuer":%s,"jwks_uri":%s}'
        % (json.dumps(issuer.url).encode(), json.dumps(issuer.root + KEYS).encode())
    )
    assert isinstance(attempt(issuer), InvalidIdentityToken)


@pytest.mark.parametrize("flaw", [Flaw.EXPIRED, Flaw.OTHER_NAME, Flaw.SELF_SIGNED])
def test_bad_certificates(flaw: Flaw) -> None:
    """A certificate that is expired, of another name or untrusted is refused before any request is sent."""
    with OidcIssuer(algorithms=("ES256",), flaw=flaw) as bad:
        refusal = attempt(bad)
        assert isinstance(refusal, InvalidIdentityToken)
        assert refusal.detail.startswith(f"{bad.url}{DISCOVERY}: its certificate is not trusted: ")
        assert not bad.requests


def test_an_authority_that_nobody_trusts(issuer: OidcIssuer) -> None:
    """Without the operator's bundle only the system's authorities are trusted."""
    refusal = attempt(issuer, Fetcher(FetchLimits(LOOPBACK, None, SECONDS)))
    assert isinstance(refusal, InvalidIdentityToken)
    assert "DAYPASS_OIDC_CA_BUNDLE" in refusal.detail
    assert not issuer.requests


def test_loopback_is_refused_by_default(issuer: OidcIssuer) -> None:
    """No network is allowed unless an operator allows it, and no connection is opened."""
    refusal = attempt(issuer, Fetcher(FetchLimits((), issuer.ca_bundle, SECONDS)))
    assert isinstance(refusal, InvalidIdentityToken)
    assert "DAYPASS_OIDC_ALLOWED_NETWORKS" in refusal.detail
    assert not issuer.requests


def test_literal_addresses_are_judged_too() -> None:
    """A resolver never sees a literal address, so the check of the socket refuses it."""
    with OidcIssuer(algorithms=("ES256",), host="127.0.0.1") as literal:
        assert isinstance(attempt(literal, Fetcher(FetchLimits((), literal.ca_bundle, SECONDS))), InvalidIdentityToken)
        assert not literal.requests
        assert attempt(literal) is None


def test_a_name_that_resolves_inward_at_the_second_lookup(issuer: OidcIssuer) -> None:
    """DNS rebinding: each connection uses the addresses that were checked for it, so the second one is refused."""
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    refusal = attempt(issuer, fetcher(issuer, rebinding))
    assert isinstance(refusal, InvalidIdentityToken)
    assert issuer.requests == {DISCOVERY: 1}


def test_of_several_addresses_only_allowed_ones_are_used(issuer: OidcIssuer) -> None:
    """One allowed address is enough, and the others are never tried."""

    async def mixed(_host: str, _port: int) -> Sequence[str]:
        return ["169.254.169.254", "::1", "10.0.0.1", "127.0.0.1"]

    assert attempt(issuer, fetcher(issuer, mixed)) is None


def test_a_name_that_does_not_resolve(issuer: OidcIssuer) -> None:
    """A failed resolution is worth a retry."""

    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    assert isinstance(attempt(issuer, fetcher(issuer, unknown)), IDPCommunicationError)


def test_a_name_server_that_hangs(issuer: OidcIssuer) -> None:
    """Resolution counts against the same time limit as the rest."""

    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    assert isinstance(attempt(issuer, fetcher(issuer, silent, seconds=SHORT)), IDPCommunicationError)


def test_a_server_that_accepts_and_never_shakes_hands(issuer: OidcIssuer) -> None:
    """Silence before TLS is treated like any other silence."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        provider = terms(issuer, issuer=f"https://localhost:{mute.getsockname()[1]}")
        assert isinstance(attempt(issuer, fetcher(issuer, seconds=SHORT), provider), IDPCommunicationError)


def test_a_port_where_nobody_listens(issuer: OidcIssuer) -> None:
    """A refused connection is worth a retry."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert isinstance(
        attempt(issuer, provider=terms(issuer, issuer=f"https://localhost:{port}")), IDPCommunicationError
    )


def test_an_answer_that_breaks_off(issuer: OidcIssuer) -> None:
    """A shorter body than promised is not a document, even if it is valid JSON."""
    body = json.dumps({"keys": issuer.published}).encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issuer.ca_bundle.parent / "server.pem")

        def answer_once() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(65536)
                secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + body)

        thread = threading.Thread(target=answer_once)
        thread.start()
        issuer.discovery_changes["jwks_uri"] = f"https://localhost:{listener.getsockname()[1]}/keys"
        refusal = attempt(issuer)
        thread.join()
    assert isinstance(refusal, IDPCommunicationError)


def test_proxies_of_the_environment_are_ignored(issuer: OidcIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names itself, and bypass our check of addresses."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert attempt(issuer) is None


def test_thumbprints_are_not_looked_at_by_default(issuer: OidcIssuer) -> None:
    """Terraform users write dummy ones; the authorities decide, as on AWS."""
    assert attempt(issuer, provider=terms(issuer, thumbprints=frozenset({"f" * 40}))) is None


def test_thumbprints_may_be_enforced_in_addition(issuer: OidcIssuer) -> None:
    """With the operator's setting, the verified chain must have one of them."""
    good = terms(issuer, thumbprints=frozenset({issuer.authority.thumbprint.upper(), "f" * 40}))
    assert attempt(issuer, provider=good, enforce=True) is None


def test_enforced_thumbprints_that_do_not_match(issuer: OidcIssuer) -> None:
    """The certificate is another one, and the keys are not even requested."""
    refusal = attempt(issuer, provider=terms(issuer, thumbprints=frozenset({"f" * 40})), enforce=True)
    assert isinstance(refusal, InvalidIdentityToken)
    assert refusal.message == "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
    assert issuer.requests[KEYS] == 0


def test_enforced_thumbprints_that_are_not_there(issuer: OidcIssuer) -> None:
    """An empty list matches no certificate."""
    assert isinstance(attempt(issuer, provider=terms(issuer), enforce=True), InvalidIdentityToken)
    assert issuer.requests[KEYS] == 0


def test_a_thumbprint_does_not_replace_an_authority(issuer: OidcIssuer) -> None:
    """An untrusted chain is refused although its thumbprint matches."""
    provider = terms(issuer, thumbprints=frozenset({issuer.authority.thumbprint}))
    using = Fetcher(FetchLimits(LOOPBACK, None, SECONDS))
    assert isinstance(attempt(issuer, using, provider, enforce=True), InvalidIdentityToken)


@pytest.mark.parametrize("misbehaviour", [Answer(), Answer.hang(), Answer.trickle(), Answer.endless()])
def test_no_connection_outlives_its_fetch(issuer: OidcIssuer, misbehaviour: Answer) -> None:
    """TLS would wait half a minute for the close message of a silent issuer; sockets must not pile up."""
    issuer.answers[DISCOVERY] = misbehaviour
    using = fetcher(issuer, seconds=SHORT)

    async def run() -> int:
        async def once() -> None:
            with suppress(IssuerUnreachableError, UnacceptableAnswerError):
                await using.get(issuer.url + DISCOVERY)

        await asyncio.gather(*(once() for _ in range(5)))
        await asyncio.sleep(0.05)
        return _connections_to(int(issuer.url.rpartition(":")[2]))

    assert asyncio.run(run()) == 0


def _connections_to(port: int) -> int:
    """Return how many sockets of this process have a peer at `port`."""
    found = 0
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        try:
            with socket.socket(fileno=os.dup(int(descriptor.name))) as one:
                found += one.family is socket.AF_INET and one.getpeername()[1] == port
        except OSError:
            continue  # no socket, not connected, or closed meanwhile
    return found
