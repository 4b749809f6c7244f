"""A master key in the Transit engine: with a real OpenBao, and with answers that no server should give."""

import base64
import contextlib
import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.storage.openbao import ROOT_TOKEN, Openbao, running_openbao

from daypass.config import Config
from daypass.storage.address import parse_address
from daypass.storage.master_key import MasterKeySource, find_wrapping_provider, parse_master_key
from daypass.storage.refusals import (
    MasterKeyMissingError,
    MasterKeyUnavailableError,
    StoreOpenError,
    WrongMasterKeyError,
)
from daypass.storage.rotation import add_master_key, finish_master_key, get_keyring
from daypass.storage.wrapping.transit import TransitKey
from daypass.storage.wrapping.transit_address import parse_transit_address
from daypass.wiring_store import open_everything

DATA_KEY = bytes(range(32))


@pytest.fixture(scope="module")
def openbao() -> Iterator[Openbao]:
    """Run OpenBao for the tests of this file."""
    with running_openbao() as running:
        yield running


def key(address: str, token: str = ROOT_TOKEN, seconds: float = 15.0) -> TransitKey:
    """Return a provider."""
    return TransitKey(parse_transit_address(address), token, seconds)


@pytest.mark.component("openbao")
def test_openbao_returns_the_data_key(openbao: Openbao) -> None:
    """Every wrapping differs, and only the same key opens it."""
    provider = key(openbao.address)
    first, second = provider.wrap(DATA_KEY), provider.wrap(DATA_KEY)
    assert first != second
    assert DATA_KEY not in first
    assert provider.unwrap(first) == provider.unwrap(second) == DATA_KEY
    with pytest.raises(WrongMasterKeyError, match="does not open this store"):
        key(openbao.address.replace("daypass", "other")).unwrap(first)
    assert ROOT_TOKEN not in repr(provider)


@pytest.mark.component("openbao")
def test_a_value_for_another_purpose_is_refused(openbao: Openbao) -> None:
    """Another program may use the same key."""
    plaintext = base64.b64encode(DATA_KEY).decode()
    value = openbao.call("transit/encrypt/daypass", {"plaintext": plaintext})["data"]["ciphertext"]
    with pytest.raises(WrongMasterKeyError, match="not a data key of Daypass"):
        key(openbao.address).unwrap(value.encode())


@pytest.mark.component("openbao")
@pytest.mark.parametrize(
    ("name", "token", "message"),
    [
        ("transit/daypass", "wrong", "policy needs `update` on transit/decrypt/daypass"),
        ("nowhere/daypass", ROOT_TOKEN, "the mount does not exist"),
        ("transit/missing", ROOT_TOKEN, "does not exist"),
    ],
    ids=["token", "mount", "key"],
)
def test_refusals_of_openbao_are_explained(openbao: Openbao, name: str, token: str, message: str) -> None:
    """They are not tried again."""
    wrapped = key(openbao.address).wrap(DATA_KEY)
    begun = time.monotonic()
    with pytest.raises(MasterKeyUnavailableError, match=message):
        key(f"vault:{openbao.url}/{name}", token).unwrap(wrapped)
    assert time.monotonic() - begun < 5


@pytest.mark.slow
@pytest.mark.component("openbao")
def test_an_old_version_and_a_deleted_key_are_explained(openbao: Openbao) -> None:
    """The operator has raised min_decryption_version, or deleted the key."""
    openbao.make_key("aging")
    provider = key(openbao.address.replace("daypass", "aging"))
    wrapped = provider.wrap(DATA_KEY)
    openbao.call("transit/keys/aging/rotate", {})
    assert provider.unwrap(wrapped) == DATA_KEY
    openbao.call("transit/keys/aging/config", {"min_decryption_version": 2})
    with pytest.raises(MasterKeyUnavailableError, match="min_decryption_version"):
        provider.unwrap(wrapped)
    openbao.call("transit/keys/aging", method="DELETE")
    with pytest.raises(MasterKeyUnavailableError, match="does not exist"):
        provider.unwrap(wrapped)


@pytest.mark.slow
@pytest.mark.component("openbao")
def test_an_approle_signs_in_and_leaves_no_token(openbao: Openbao, tmp_path: Path) -> None:
    """Its token is revoked after the call; a wrong secret is refused."""
    openbao.call("sys/auth/approle", {"type": "approle"})
    openbao.call("sys/policies/acl/daypass", {"policy": 'path "transit/+/daypass" { capabilities = ["update"] }'})
    openbao.call("auth/approle/role/daypass", {"token_policies": "daypass"})
    role = openbao.call("auth/approle/role/daypass/role-id", method="GET")["data"]["role_id"]
    secret = openbao.call("auth/approle/role/daypass/secret-id", {})["data"]["secret_id"]
    file = tmp_path / "secret-id"
    file.touch(mode=0o600)
    file.write_text(secret)
    provider = key(f"{openbao.address}?auth=approle&role_id={role}&secret_id_file={file}", token="")
    before = len(openbao.call("auth/token/accessors?list=true", method="GET")["data"]["keys"])
    assert provider.unwrap(provider.wrap(DATA_KEY)) == DATA_KEY
    assert len(openbao.call("auth/token/accessors?list=true", method="GET")["data"]["keys"]) == before
    file.write_text("wrong")
    with pytest.raises(MasterKeyUnavailableError, match="the sign-in with auth=approle was refused"):
        provider.wrap(DATA_KEY)
    file.chmod(0o644)
    with pytest.raises(StoreOpenError, match="chmod 600"):
        provider.wrap(DATA_KEY)


@pytest.mark.slow
@pytest.mark.component("openbao")
def test_a_sealed_openbao_is_waited_for_and_named(openbao: Openbao) -> None:
    """It may be unsealed in time; otherwise the message says that it is sealed."""
    with running_openbao() as sealed:
        wrapped = key(sealed.address).wrap(DATA_KEY)
        sealed.call("sys/seal", {})
        with pytest.raises(MasterKeyUnavailableError, match=r"(?i)sealed"):
            key(sealed.address, seconds=0.5).unwrap(wrapped)


@pytest.mark.slow
@pytest.mark.component("openbao")
def test_a_store_needs_openbao_at_the_start_only(tmp_path: Path) -> None:
    """A store moves from a key as text to OpenBao, and runs on without it; workers that start later need it neither."""
    config = Config(store=f"sqlite:///{tmp_path / 'daypass.db'}")
    text = "a passphrase of the tests"
    there = open_everything(config, MasterKeySource(text=text))
    sealed = there.vault.encrypt(b"secret", bound_to="a")
    with running_openbao() as openbao:
        source = MasterKeySource(text=openbao.address, vault_token=ROOT_TOKEN)
        new = find_wrapping_provider(parse_address(config.store), source, store_is_empty=False)
        add_master_key(there.store, parse_master_key(text, source="test"), new)
        finish_master_key(there.store, new)
        with pytest.raises(WrongMasterKeyError, match="set DAYPASS_MASTER_KEY to it"):
            open_everything(config, MasterKeySource(text=text))
        moved = open_everything(config, source)
        assert moved.vault.decrypt(sealed, bound_to="a") == b"secret"
        openbao.call("transit/keys/daypass/rotate", {})
        before = get_keyring(there.store)
        assert add_master_key(there.store, new, new) != before
        again = open_everything(config, source)
    for opened in (moved, again, open_everything(config, source), there):
        assert opened.vault.decrypt(opened.vault.encrypt(b"new", bound_to="b"), bound_to="b") == b"new"
        opened.store.close()
    with pytest.raises(MasterKeyUnavailableError, match="the connection failed"):
        open_everything(config, MasterKeySource(text=openbao.address, vault_token=ROOT_TOKEN))


def test_a_token_is_needed() -> None:
    """The message says where it is given."""
    with pytest.raises(MasterKeyMissingError, match="VAULT_TOKEN"):
        key("vault:http://127.0.0.1:9/transit/daypass", token="").unwrap(b"vault:v1:x")


class _Answers(http.server.BaseHTTPRequestHandler):
    """A server of the tests, not a Transit engine: it gives one fixed answer, right or wrong."""

    answer: Callable[["_Answers"], None]
    calls: int

    def do_POST(self) -> None:
        """Give the answer."""
        type(self).calls += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).answer(self)

    def reply(self, status: int, content: bytes, **headers: str) -> None:
        """Send a response."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of the library
        """Do not log."""


@contextlib.contextmanager
def answering(
    answer: Callable[[_Answers], None], context: ssl.SSLContext | None = None
) -> Iterator[tuple[str, type[_Answers]]]:
    """Run a server, and yield its host and port and its handler."""
    handler = type("Handler", (_Answers,), {"answer": staticmethod(answer), "calls": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()


def _drip(handler: _Answers) -> None:
    handler.send_response(200)
    handler.end_headers()
    gone = threading.Event()
    with contextlib.suppress(OSError):
        for _ in range(100):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            gone.wait(0.05)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda handler: handler.reply(200, b"<html>"), "not one of Vault or OpenBao"),
        (lambda handler: handler.reply(200, b"[" * 60_000), "not one of Vault or OpenBao"),
        (lambda handler: handler.reply(200, b'{"data": {"plaintext": 1}}'), "not one of Vault or OpenBao"),
        (lambda handler: handler.reply(200, b" " * 70_000), "longer than 65536 bytes"),
        (lambda handler: handler.reply(307, b"", Location="http://127.0.0.1:1/"), "redirects to another server"),
        (lambda handler: handler.reply(403, b'{"errors": ["permission denied"]}'), "the token is not valid or lacks"),
        (lambda handler: handler.reply(503, b'{"errors": ["Vault is sealed"]}'), "answers 503 Vault is sealed"),
        (lambda handler: handler.reply(500, b"\x1b[2J" * 9), "answers 500"),
        (_drip, "did not answer in time"),
    ],
    ids=["html", "deep", "type", "long", "redirect", "403", "sealed", "500", "slow"],
)
def test_answers_of_a_faulty_server_are_one_sentence(answer: Callable[[_Answers], None], message: str) -> None:
    """They cost neither a traceback nor more than the time of a call."""
    with answering(answer) as (place, _):
        begun = time.monotonic()
        with pytest.raises(MasterKeyUnavailableError, match=message) as refused:
            key(f"vault:http://{place}/transit/daypass", seconds=0.4).unwrap(b"vault:v1:x")
        assert time.monotonic() - begun < 3
    assert str(refused.value).isprintable()
    assert ROOT_TOKEN not in str(refused.value)


def test_a_refusal_is_not_repeated() -> None:
    """A token that is tried again may be locked out."""
    with answering(lambda handler: handler.reply(403, b"{}")) as (place, handler):
        with pytest.raises(MasterKeyUnavailableError):
            key(f"vault:http://{place}/transit/daypass").unwrap(b"vault:v1:x")
        assert handler.calls == 1


def test_a_server_that_does_not_listen_is_named() -> None:
    """The time is bounded."""
    with pytest.raises(MasterKeyUnavailableError, match="the connection failed: Connection refused"):
        key("vault:http://127.0.0.1:1/transit/daypass", seconds=0.3).wrap(DATA_KEY)


def test_tls_needs_the_authority(tmp_path: Path) -> None:
    """A certificate of an unknown authority is refused at once; `ca` names the authority's file."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.cert_pem.bytes())
    plaintext = base64.b64encode(b"daypass data key v1\0" + DATA_KEY)
    answer = b'{"data": {"plaintext": "' + plaintext + b'"}}'
    with answering(lambda handler: handler.reply(200, answer), context) as (place, _):
        address = f"vault:https://{place}/transit/daypass"
        with pytest.raises(MasterKeyUnavailableError, match=r"is not trusted .* set the option ca"):
            key(address).unwrap(b"vault:v1:x")
        assert key(f"{address}?ca={trusted}").unwrap(b"vault:v1:x") == DATA_KEY
    with (
        answering(lambda _: None) as (place, _),
        pytest.raises(MasterKeyUnavailableError, match="the option ca cannot be used"),
    ):
        key(f"vault:https://{place}/transit/daypass?ca={tmp_path}/none.pem").unwrap(b"x")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("vault:", "must have the form"),
        ("vault: the passphrase of an old store", "must be in a file"),
        ("vault:https://h/transit", "must have the form"),
        ("vault:https://h:x/transit/daypass", "not valid"),
        ("vault:ftp://h/transit/daypass", "must have the form"),
        ("vault:http://h.example/transit/daypass", "plain text"),
        ("vault:https://u:p@h/transit/daypass", "user or a password"),
        ("vault:https://h/transit/daypass?auth=ldap", "use token, kubernetes, approle"),
        ("vault:https://h/transit/daypass?token=x", "'token' is not supported"),
        ("vault:https://h/transit/daypass?auth=kubernetes", "needs the option role"),
        ("vault:https://h/transit/daypass?ca=a&ca=b", "given twice"),
        ("vault:https://h/transit/daypass?namespace=a%0ab", "without white space"),
    ],
)
def test_a_wrong_address_is_refused_by_name(address: str, message: str) -> None:
    """The message contains the right form or the possible options."""
    with pytest.raises(StoreOpenError, match=message):
        parse_transit_address(address)


def test_a_name_identifies_the_key() -> None:
    """Options of the sign-in are not part of it, the namespace is."""
    address = parse_transit_address("vault:https://[::1]/a/b/key?namespace=team&auth=kubernetes&role=r")
    assert address.name == "vault:https://[::1]:443/a/b/key?namespace=team"
    assert (address.mount, address.key, address.auth_mount) == ("a/b", "key", "kubernetes")
