"""A resource server whose requests reach servers with different histories, as behind a load balancer after a failover.

The databases are two SQLite files, one made from the other, with equally many writes afterwards. Each server knows its
own history alone.
"""

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from tests.documents import allow, new_key
from tests.resource_server.claims import claim_of, load

from daypass.directory.resource_servers import new_registration, register
from daypass.errors import Fault, InvalidClientTokenId, ServiceUnavailable
from daypass.testing.client_factory import client_factory
from daypass.testing.server import RunningServer, running_server
from daypass.verify.keys import NotLoadedError
from daypass.verify.remote import RemoteKeys, ServerChanges
from daypass.verify.remote_server.feed_history import FeedHistory, FeedPosition
from daypass.verify.remote_server.grant_json import CallerJson
from daypass.verify.remote_server.protocol import (
    CHANGES_PATH,
    FACTS_PATH,
    KEYS_PATH,
    ChangesAnswer,
    FactRequest,
    GrantRequest,
)
from daypass.verify.remote_server.remote_facts import Fact, RemoteFacts
from daypass.verify.remote_server.server_connection import ServerConnection

NAME, REGION = "edge", "us-east-1"
_PATIENCE = 20.0  # seconds: below the age at which a fact ends by itself
_MASTER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class OldGrantAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields that an earlier resource server accepts in an answer to POST keys."""

    key: bytes
    not_after: int
    caller: CallerJson
    documents: dict[str, str]
    dependencies: frozenset[str]
    revision: int
    max_age: int


class OldFactAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields that an earlier resource server accepts in an answer to POST facts."""

    value: msgspec.Raw
    documents: dict[str, str]
    dependencies: frozenset[str]
    revision: int
    max_age: int


class OldChangesAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields that an earlier resource server accepts, and needs, in an answer to GET changes."""

    revision: int
    waited: float
    age: float
    invalidated: frozenset[str]
    reset: bool


class LoadBalancer:
    """Forwards connections to one server, and cuts them when it changes the server."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def switch(self, target: str) -> None:
        """Forward new connections to another server."""
        self._target = target
        self._cut()

    def close(self) -> None:
        """End every connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def _cut(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", int(self._target.rpartition(":")[2])))
                self._sockets += (near, far)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


class Histories(NamedTuple):
    """Two servers, and the keys of a reader and of the resource server, which both have."""

    old: RunningServer
    new: RunningServer
    gateway: Credentials
    reader: Credentials


def _credentials(made: Any) -> Credentials:
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Histories]:
    """Run two servers whose stores have as many writes. The reader's key is inactive in the new history alone."""
    folder = tmp_path_factory.mktemp("histories")
    with ExitStack() as stack:
        old = stack.enter_context(running_server(store=f"sqlite:///{folder}/old.db", master_key=_MASTER_KEY))
        iam, account = client_factory(old)("iam"), old.root.account
        registered = new_registration(
            NAME,
            account=account,
            service="s3",
            regions=(REGION,),
            accounts=(account,),
            now=old.clock.now(),
            entropy=old.there.entropy,
        )
        with old.there.store.write() as writer:
            register(writer, registered)
        gateway = _credentials(new_key(iam, "gateway", allow("daypass:GetSigningKey")))
        reader = _credentials(new_key(iam, "reader", allow("s3:GetObject")))
        copy = _copied(folder / "old.db", folder / "new.db")
        # The start of a server makes an account, so this one needs another.
        new = stack.enter_context(
            running_server(store=f"sqlite:///{copy}", master_key=_MASTER_KEY, account="210987654321")
        )
        client_factory(new)("iam", old.root).update_access_key(
            UserName="reader", AccessKeyId=reader.access_key, Status="Inactive"
        )
        yield Histories(old, new, gateway, reader)


def _copied(path: Path, copy: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    return copy


@pytest.fixture
def level(histories: Histories) -> int:
    """Write until both histories have the same number, and return it."""
    stores = [server.there.store for server in (histories.old, histories.new)]
    most = max(store.revision() for store in stores)
    for server, store in zip((histories.old, histories.new), stores, strict=True):
        iam = client_factory(server)("iam", histories.old.root)
        while store.revision() < most:
            iam.tag_user(UserName="reader", Tags=[{"Key": "n", "Value": str(store.revision())}])
    return most


@pytest.fixture
def balancer(histories: Histories) -> Iterator[LoadBalancer]:
    """Return a load balancer that forwards to the server of the old history."""
    made = LoadBalancer(histories.old.url)
    yield made
    made.close()


class OldServerConnection(ServerConnection):
    """A connection to an earlier server, which ignores the parameters about nonces."""

    def _exchange(self, method: str, path: str, parameters: Any, body: bytes) -> tuple[int, bytes]:
        known = {name: value for name, value in parameters.items() if name not in {"nonces", "nonce"}}
        return super()._exchange(method, path, known, body)


def _keys(url: str, histories: Histories, type_: type[ServerConnection] = ServerConnection) -> RemoteKeys:
    connection = type_(url, NAME, histories.gateway, region=REGION)
    return RemoteKeys(connection, RemoteFacts(ServerChanges(connection), stale_seconds=60))


def refusal_of(keys: RemoteKeys, histories: Histories) -> type[Exception] | None:
    """Return the type of the refusal of the reader's key, or None."""
    try:
        load(keys, claim_of(histories.reader), histories.old.clock.now())
    except (Fault, NotLoadedError) as refusal:
        return type(refusal)
    return None


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_key_that_the_other_history_revoked_is_refused(
    histories: Histories, balancer: LoadBalancer, level: int
) -> None:
    """The server of the new history never told the number of the old one, and has a write with this number."""
    keys = _keys(balancer.url, histories)
    try:
        assert keys.facts.start(wait=_PATIENCE)
        assert refusal_of(keys, histories) is None
        until(lambda: keys.facts.revision == level)
        balancer.switch(histories.new.url)
        until(lambda: refusal_of(keys, histories) is InvalidClientTokenId)
        assert keys.facts.revision == level
    finally:
        keys.close()


@pytest.mark.slow
def test_a_key_of_another_history_than_the_feed_ends_every_fact(histories: Histories, level: int) -> None:
    """The feed still reaches a node of the old history when a node of the new one answers about another caller."""
    feed = ServerConnection(histories.old.url, NAME, histories.gateway, region=REGION)
    facts = RemoteFacts(ServerChanges(feed), stale_seconds=60)
    with ExitStack() as stack:
        old, new = (
            RemoteKeys(ServerConnection(server.url, NAME, histories.gateway, region=REGION), facts)
            for server in (histories.old, histories.new)
        )
        for each in (old, new):
            stack.callback(each.close)
        assert facts.start(wait=_PATIENCE)
        assert refusal_of(old, histories) is None
        until(lambda: facts.revision == level)
        other = claim_of(histories.gateway)
        with pytest.raises(ServiceUnavailable):
            load(new, other, histories.new.clock.now())
        with pytest.raises(NotLoadedError):  # the reader's key is not known any more
            old.find(claim_of(histories.reader), histories.old.clock.now())
        assert refusal_of(old, histories) is None
        feed.close()


@pytest.mark.slow
def test_an_old_server_is_followed_by_numbers(histories: Histories) -> None:
    """It answers without nonces, and its changes are noticed as before."""
    iam = client_factory(histories.new)("iam", histories.old.root)
    keys = _keys(histories.new.url, histories, OldServerConnection)
    spare = _credentials(iam.create_access_key(UserName="reader")["AccessKey"])
    try:
        assert keys.facts.start(wait=_PATIENCE)
        now = histories.new.clock.now()
        load(keys, claim_of(spare), now)
        assert keys.find(claim_of(spare), now).caller.access_key_id == spare.access_key
        iam.delete_access_key(UserName="reader", AccessKeyId=spare.access_key)

        def is_refused() -> bool:
            try:
                load(keys, claim_of(spare), now)
            except (InvalidClientTokenId, NotLoadedError) as refusal:
                return isinstance(refusal, InvalidClientTokenId)
            return False

        until(is_refused)
    finally:
        keys.close()


def _sent(histories: Histories, method: str, path: str, query: str, body: bytes = b"") -> bytes:
    url = f"{histories.old.url}{path}?resource-server={NAME}{query}"
    request = AWSRequest(method, url, headers={"content-type": "application/json"}, data=body)
    SigV4Auth(histories.gateway, "daypass", REGION).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    assert answer.status_code == 200, answer.content
    return bytes(answer.content)


def test_an_old_resource_server_gets_the_fields_that_it_knows(histories: Histories) -> None:
    """An earlier one refuses an answer with another field."""
    claim = claim_of(histories.reader)
    grant = GrantRequest(
        claim.access_key_id, claim.date, claim.region, claim.service, claim.string_to_sign, claim.signature
    )
    fact = FactRequest("buckets", (histories.old.root.account,))
    revision = histories.old.there.store.revision()
    pairs: tuple[tuple[str, Any, Any], ...] = ((KEYS_PATH, grant, OldGrantAnswer), (FACTS_PATH, fact, OldFactAnswer))
    for path, body, type_ in pairs:
        sent = msgspec.json.encode(body)
        answer = msgspec.json.decode(_sent(histories, "POST", path, "", sent), type=type_)
        assert answer.revision == revision
        present = msgspec.json.decode(_sent(histories, "POST", path, "&nonces=1", sent))
        assert present["nonce"] == histories.old.there.store.position().nonce.hex()
    for after, is_reset in ((-1, True), (revision, False)):
        got = _sent(histories, "GET", CHANGES_PATH, f"&after={after}")
        changes = msgspec.json.decode(got, type=OldChangesAnswer)
        assert (changes.revision, changes.reset) == (revision, is_reset)


def test_a_nonce_of_another_history_starts_anew(histories: Histories) -> None:
    """The answer names the position of the server, also after a nonce that is too long."""
    position = histories.old.there.store.position()
    for nonce, is_reset in ((position.nonce.hex(), False), ("00" * 16, True), ("ff" * 500, True)):
        query = f"&nonces=1&after={position.number}&nonce={nonce}"
        answer = msgspec.json.decode(_sent(histories, "GET", CHANGES_PATH, query), type=ChangesAnswer)
        assert (answer.revision, answer.nonces, answer.reset) == (
            position.number,
            (position.nonce.hex(),),
            is_reset,
        )


def _answer(revision: int, *nonces: str, reset: bool = False, invalidated: frozenset[str] = frozenset()) -> Any:
    return ChangesAnswer(revision, waited=0, age=0, invalidated=invalidated, reset=reset, nonces=nonces)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the present time in seconds."""
        return self.now


class Silence:
    """A server that does not answer: the test takes in the answers itself."""

    def changes(self, after: FeedPosition, wait: float) -> ChangesAnswer:
        """Fail."""
        del after, wait
        raise ServiceUnavailable("away")


def _followed() -> tuple[RemoteFacts, Clock]:
    clock = Clock()
    facts = RemoteFacts(Silence(), stale_seconds=60, clock=clock)
    facts.take_in(_answer(5, "a5", reset=True), asked=clock.now)
    return facts, clock


def _keep(facts: RemoteFacts, revision: int, nonce: str) -> None:
    facts.refresh("fact", lambda: Fact("yes", frozenset({"x"}), revision, 1000, nonce))


def _fail() -> Fact:
    raise AssertionError("the fact was kept")


def _is_kept(facts: RemoteFacts) -> bool:
    try:
        return bool(facts.find("fact", _fail) == "yes")
    except NotLoadedError:
        return False


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        (_answer(7, "a6", "a7"), True),  # the feed passes it
        (_answer(8, "a6", "a7", "a8"), True),
        (_answer(7, "b6", "b7"), False),  # the lost history had the same number
        (_answer(8, "b6", "b7", "b8"), False),
        (_answer(6, "a6"), True),  # the question was asked before the fact arrived: it may still come
        (_answer(6, "b6", reset=True), False),
    ],
)
def test_a_fact_newer_than_the_feed_is_compared_when_the_feed_arrives(*, answer: Any, is_kept: bool) -> None:
    """Until then it is used: the feed may be a second behind."""
    facts, clock = _followed()
    _keep(facts, 7, "a7")
    assert _is_kept(facts)
    facts.take_in(answer, asked=clock.now - 1)
    assert _is_kept(facts) is is_kept


@pytest.mark.parametrize("answer", [_answer(5, "a5"), _answer(6, "a6")])
def test_a_fact_of_a_lost_write_ends_with_the_next_question(answer: Any) -> None:
    """The server asked its database after the fact arrived, and the database does not have its write any more."""
    facts, clock = _followed()
    _keep(facts, 7, "a7")
    clock.now += 1
    facts.take_in(answer, asked=clock.now)
    assert not _is_kept(facts)
    _keep(facts, answer.revision, answer.nonces[-1])
    assert _is_kept(facts)


def test_a_change_ends_a_fact_that_the_feed_has_not_passed() -> None:
    """Its number is newer, but it may be of a lost history in which this change was undone."""
    facts, clock = _followed()
    _keep(facts, 7, "a7")
    facts.take_in(_answer(6, "b6", invalidated=frozenset({"x"})), asked=clock.now - 1)
    assert not _is_kept(facts)


@pytest.mark.parametrize(("revision", "nonce"), [(5, "b5"), (7, "b7"), (4, "a4")])
def test_a_fact_of_another_history_is_not_kept(revision: int, nonce: str) -> None:
    """Neither is one that is older than all that the feed told."""
    facts, _ = _followed()
    facts.refresh("newer", lambda: Fact("yes", frozenset(), 7, 1000, "a7"))
    with pytest.raises(ServiceUnavailable):
        _keep(facts, revision, nonce)


def test_an_older_fact_of_the_same_history_is_kept() -> None:
    """A node that lags behind answered. The reports say that the fact did not change."""
    facts, clock = _followed()
    facts.take_in(_answer(7, "a6", "a7", invalidated=frozenset({"y"})), asked=clock.now)
    _keep(facts, 6, "a6")
    assert _is_kept(facts)


def test_a_feed_that_changes_to_an_old_server_goes_on_by_numbers() -> None:
    """During a rolling upgrade, nodes of both versions answer."""
    history = FeedHistory()
    old = ChangesAnswer(revision=6, waited=0, age=0)
    history.start_anew(_answer(5, "a5", reset=True))
    assert history.follow(msgspec.structs.replace(old, revision=5), 0)
    assert history.position == FeedPosition(5, "a5")
    assert history.follow(old, 0)
    assert history.position == FeedPosition(6, "")
    assert history.accepts(FeedPosition(6, "a6"), 0)
    assert history.follow(_answer(7, "a7"), 0)
    assert history.position == FeedPosition(7, "a7")
    assert not history.follow(_answer(7, "b7"), 0)
