"""The issuers: created once for an account, published without authentication, with keys that rotate."""

import asyncio
import http.client
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
import pytest
from tests.outbound.conftest import token_of, verify
from tests.refusals import refused

from daypass.directory.entities.outbound_entities import TokenSigningKey
from daypass.directory.identity import load_account
from daypass.directory.outbound import KEYS, load_documents, rotate_token_keys
from daypass.directory.records import replace, to_entity
from daypass.directory.secret_box import SecretDecryptionError
from daypass.directory.store import WouldBlockError
from daypass.http.issuers import IssuerPages
from daypass.key_maintenance import KeyMaintenance
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

_DAY = timedelta(days=1)
_ACCOUNT = "123456789012"


def _get(server: RunningServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_each_account_has_an_issuer_of_its_own(server: RunningServer, issuer: str, as_caller: ClientFactory) -> None:
    """It is below the server's public URL, with an id that does not reveal the account, and keys of its own."""
    other = server.new_account()
    second = as_caller("iam", other).enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert issuer.startswith(f"{server.url}/issuer/a")
    assert issuer != second
    assert _ACCOUNT not in issuer
    token = token_of(as_caller("sts"))
    with pytest.raises(jwt.InvalidSignatureError):
        verify(token, second)
    assert verify(token, issuer)


def test_it_is_enabled_once_and_disabled_once(iam: Any) -> None:
    """AWS's error codes; the issuer stays the same forever."""
    assert refused(iam.get_outbound_web_identity_federation_info)[:2] == ("FeatureDisabled", 404)
    assert refused(iam.disable_outbound_web_identity_federation)[:2] == ("FeatureDisabled", 404)
    first = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert refused(iam.enable_outbound_web_identity_federation)[:2] == ("FeatureEnabled", 409)
    shown = iam.get_outbound_web_identity_federation_info()
    assert (shown["IssuerIdentifier"], shown["JwtVendingEnabled"]) == (first, True)
    iam.disable_outbound_web_identity_federation()
    assert refused(iam.get_outbound_web_identity_federation_info)[0] == "FeatureDisabled"
    assert iam.enable_outbound_web_identity_federation()["IssuerIdentifier"] == first


def test_tokens_verify_after_it_is_disabled(issuer: str, iam: Any, as_caller: ClientFactory) -> None:
    """Disabling does not affect existing tokens."""
    token = token_of(as_caller("sts"))
    iam.disable_outbound_web_identity_federation()
    assert verify(token, issuer)


def test_the_documents_are_as_aws_has_them(server: RunningServer, issuer: str) -> None:
    """Only public keys, cacheable by all clients, and readable by scripts of other sites."""
    path = urlsplit(issuer).path + "/.well-known/"
    status, headers, body = _get(server, path + "openid-configuration")
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "public, max-age=3600"
    assert headers["access-control-allow-origin"] == "*"
    assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(body) == {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES384"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "jti", "https://sts.amazonaws.com/"],
    }
    keys = json.loads(_get(server, path + "jwks.json")[2])["keys"]
    assert {key["kid"]: set(key) for key in keys} == {
        "EC384_0": {"alg", "crv", "kid", "kty", "use", "x", "y"},
        "RSA_0": {"alg", "e", "kid", "kty", "n", "use"},
    }
    assert _get(server, path + "jwks.json", "HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    [
        "/issuer/",
        "/issuer/a0000000-0000-0000-0000-000000000000/.well-known/openid-configuration",
        "/issuer/a0000000-0000-0000-0000-000000000000/.well-known/jwks.json",
        "/issuer/../.well-known/jwks.json",
        "/issuer/%00/.well-known/jwks.json",
        f"/issuer/{'a' * 5000}/.well-known/jwks.json",
        "/issuer/{id}/.well-known/other",
        "/issuer/{id}/.well-known/jwks.json/",
        "/issuer/{id}",
    ],
)
def test_what_is_no_issuer_is_not_found(server: RunningServer, issuer: str, path: str) -> None:
    """A plain 404 that is not cached."""
    status, headers, _ = _get(server, path.replace("{id}", issuer.rpartition("/")[2]))
    assert status == 404
    assert headers["cache-control"] == "no-store"


def test_nobody_posts_to_an_issuer(server: RunningServer, issuer: str) -> None:
    """The documents are read-only."""
    assert _get(server, urlsplit(issuer).path + "/.well-known/jwks.json", "POST")[0] == 404


def test_a_new_key_is_published_a_day_before_it_signs(
    server: RunningServer, issuer: str, as_caller: ClientFactory
) -> None:
    """Rotation ends no token: the old key is published until the last token that it signed has expired."""
    sts, url_path = as_caller("sts"), urlsplit(issuer).path + "/.well-known/jwks.json"

    def published() -> set[str]:
        return {key["kid"] for key in json.loads(_get(server, url_path)[2])["keys"]}

    def rotate() -> None:
        with server.there.store.write() as writer:
            now = int(server.clock.now().timestamp())
            rotate_token_keys(writer, _ACCOUNT, now=now, vault=server.there.vault)

    rotate()
    rotate()
    assert published() == {"RSA_0", "RSA_1", "EC384_0", "EC384_1"}
    assert _key_id(token_of(sts)) == "EC384_0"
    server.clock.move(_DAY)
    # Clients sign with the computer's clock, so only the ring is checked from here on.
    _tend(server, rotate_after=0)
    assert published() == {"RSA_0", "RSA_1", "EC384_0", "EC384_1"}
    server.clock.move(timedelta(seconds=3600 + 300))
    _tend(server, rotate_after=0)
    assert published() == {"RSA_1", "EC384_1"}


def test_the_active_key_signs(server: RunningServer, issuer: str, as_caller: ClientFactory) -> None:
    """Once it is active, the new key signs, and relying parties find it."""
    now = int(server.clock.now().timestamp())
    with server.there.store.write() as writer:
        rotate_token_keys(writer, _ACCOUNT, now=now, vault=server.there.vault)
        for record in writer.page("token_signing_key", _ACCOUNT, limit=10):
            key = to_entity(TokenSigningKey, record)
            if key.activates > now:
                replace(writer, msgspec.structs.replace(key, activates=now - 1))
    token = token_of(as_caller("sts"))
    assert _key_id(token) == "EC384_1"
    assert verify(token, issuer)


def test_a_server_rotates_by_itself(server: RunningServer, issuer: str) -> None:
    """A successor is published a day before the active key reaches the operator's maximum age."""
    for days, expected in ((88, 2), (1, 4), (1, 4), (1, 2), (87, 2), (1, 4)):
        server.clock.move(timedelta(days=days, minutes=1))
        _tend(server, rotate_after=90)
        with server.there.store.read() as reader:
            documents = load_documents(reader, server.url, issuer.rpartition("/")[2])
        assert documents is not None
        assert len(json.loads(documents[KEYS])["keys"]) == expected


def test_private_keys_lie_encrypted(server: RunningServer, issuer: str) -> None:
    """The stored form of a key opens only with the master key, and only for its own record."""
    with server.there.store.read() as reader:
        account = load_account(reader, _ACCOUNT)
        stored = reader.page("token_signing_key", _ACCOUNT, limit=10)
    assert account is not None
    assert account.outbound_issuer == issuer.rpartition("/")[2]
    keys = [to_entity(TokenSigningKey, record) for record in stored]
    for key in keys:
        assert "d" not in key.public
        with pytest.raises(SecretDecryptionError):
            server.there.vault.decrypt(key.sealed_private, bound_to="token-key:999999999999:" + key.id)
        opened = server.there.vault.decrypt(key.sealed_private, bound_to=f"token-key:{_ACCOUNT}:{key.id}")
        assert opened not in stored[0].body


def _tend(server: RunningServer, *, rotate_after: int) -> None:
    there = server.there
    KeyMaintenance(there.store, there.vault, server.clock, there.entropy, rotate_days=rotate_after).maintain()


def _key_id(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


class _Store:
    """Views of a store that answers when the test allows it."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_open = threading.Event()

    def get(self, loader: Any, *args: Any) -> Any:  # noqa: ARG002 - a promise
        """Return None: the issuer does not exist."""
        self.asked += 1
        assert self.is_open.wait(30)


class _Nothing:
    """An empty cache."""

    def get(self, loader: Any, *args: Any) -> Any:  # noqa: ARG002 - a promise
        """Raise WouldBlockError, so that a worker reads the store."""
        raise WouldBlockError


def test_a_peer_that_asks_for_invented_issuers_keeps_no_others_from_theirs() -> None:
    """A client with one address, or one IPv6 network, gets at most half of the places."""
    empty: Any = _Nothing()
    store: Any = _Store()
    path = f"/issuer/a{'0' * 7}{'-0000' * 3}-{'0' * 12}/.well-known/jwks.json"

    async def ask(workers: ThreadPoolExecutor) -> tuple[Counter[int], list[int]]:
        pages = IssuerPages("https://sts.example.com", empty, store, workers)
        flood = [asyncio.create_task(pages.answer(path, f"2001:db8::{number:x}")) for number in range(100)]
        others = [asyncio.create_task(pages.answer(path, f"192.0.2.{number}")) for number in range(8)]
        await asyncio.sleep(0)  # Each has taken a place by now, or was refused.
        store.is_open.set()
        refused = Counter(answer.status for answer in await asyncio.gather(*flood))
        again = await pages.answer(path, "2001:db8::1")
        return refused, [answer.status for answer in await asyncio.gather(*others)] + [again.status]

    with ThreadPoolExecutor(2) as workers:
        flooded, answered = asyncio.run(ask(workers))
    assert flooded == {404: 32, 503: 68}
    assert answered == [404] * 9
