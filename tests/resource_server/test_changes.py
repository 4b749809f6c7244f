"""Changes reach a resource server within a second, and silence ends its knowledge."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from botocore.credentials import Credentials
from tests.documents import allow, document, new_key
from tests.resource_server.claims import claim_of, load

from daypass.directory import records
from daypass.directory.resource_servers import load_resource_server
from daypass.directory.revocations import revoke_key
from daypass.errors import Fault, InvalidClientTokenId, ServiceUnavailable, Throttling
from daypass.policy.decision import Denied
from daypass.testing.server import RunningServer, running_server
from daypass.verify.decision import decide
from daypass.verify.keys import NotLoadedError
from daypass.verify.remote import RemoteKeys, ServerChanges
from daypass.verify.remote_server.feed_history import UNKNOWN, FeedPosition
from daypass.verify.remote_server.protocol import ChangesAnswer
from daypass.verify.remote_server.remote_facts import Fact, RemoteFacts
from daypass.verify.remote_server.server_connection import RegistrationRefusedError, ServerConnection

OBJECT = "arn:aws:s3:::bucket/key"
_PATIENCE = 20.0  # seconds until a test gives up


@pytest.fixture
def reader(iam: Any) -> Credentials:
    """Return a long-term key of a user that may read one bucket."""
    made = new_key(iam, "reader", allow("s3:GetObject", "arn:aws:s3:::bucket/*"))
    return Credentials(made["AccessKeyId"], made["SecretAccessKey"])


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "the change did not arrive"


def refusal_of(keys: RemoteKeys, credentials: Credentials, server: RunningServer) -> type[Exception] | None:
    """Return the type of the refusal of a key, or None."""
    try:
        load(keys, claim_of(credentials), server.clock.now())
    except (Fault, NotLoadedError) as refusal:
        return type(refusal)
    return None


def test_an_inactive_key_is_refused_soon(
    server: RunningServer, keys: RemoteKeys, reader: Credentials, iam: Any
) -> None:
    """The feed drops the cached key, and the next question gets a refusal."""
    assert refusal_of(keys, reader, server) is None
    iam.update_access_key(UserName="reader", AccessKeyId=reader.access_key, Status="Inactive")
    until(lambda: refusal_of(keys, reader, server) is InvalidClientTokenId)


def test_a_changed_policy_is_used_soon(server: RunningServer, keys: RemoteKeys, reader: Credentials, iam: Any) -> None:
    """A Deny that was added counts."""
    load(keys, claim_of(reader), server.clock.now())
    denial = {**allow("s3:GetObject"), "Effect": "Deny"}
    iam.put_user_policy(UserName="reader", PolicyName="deny", PolicyDocument=document(denial))

    def is_denied() -> bool:
        caller = load(keys, claim_of(reader), server.clock.now()).caller
        return isinstance(decide(caller, "s3:GetObject", OBJECT, {}), Denied)

    until(is_denied)


def test_a_revoked_session_is_refused_soon(
    server: RunningServer, keys: RemoteKeys, reader: Credentials, as_caller: Any
) -> None:
    """An operator revokes the key that issued the session."""
    key = {"AccessKeyId": reader.access_key, "SecretAccessKey": reader.secret_key}
    made = as_caller("sts", key).get_session_token()["Credentials"]
    session = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert refusal_of(keys, session, server) is None
    now = int(server.clock.now().timestamp())
    with server.there.store.write() as writer:
        revoke_key(writer, reader.access_key, before=now + 60, now=now)
    until(lambda: refusal_of(keys, session, server) is InvalidClientTokenId)


def test_changes_of_others_keep_the_cache(
    server: RunningServer, keys: RemoteKeys, reader: Credentials, iam: Any
) -> None:
    """A change drops what depends on it, and nothing else."""
    until(lambda: keys.facts.revision == server.there.store.revision())
    load(keys, claim_of(reader), server.clock.now())
    before = keys.facts.revision
    iam.create_user(UserName="other")
    until(lambda: keys.facts.revision > before)
    assert keys.find(claim_of(reader), server.clock.now()).caller.access_key_id == reader.access_key


class Feed:
    """A server whose answers the test writes."""

    def __init__(self) -> None:
        self.answer: ChangesAnswer | None = ChangesAnswer(revision=1, waited=0, age=0, reset=True)

    def changes(self, after: FeedPosition, wait: float) -> ChangesAnswer:
        """Return the answer of the test, or fail."""
        del after, wait
        if self.answer is None:
            raise ServiceUnavailable("away")
        return self.answer


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the present time in seconds."""
        return self.now


def followed(*, stale_seconds: float = 60) -> tuple[RemoteFacts, Feed, Clock]:
    """Return facts after the first word of a feed. The test takes in further answers itself."""
    feed, clock = Feed(), Clock()
    facts = RemoteFacts(feed, stale_seconds=stale_seconds, clock=clock)
    facts.take_in(ChangesAnswer(revision=1, waited=0, age=0, reset=True), asked=clock.now)
    return facts, feed, clock


def fact(revision: int = 1, *names: str, max_age: float = 1000) -> Fact:
    """Return a fact with the value 'yes'."""
    return Fact("yes", frozenset(names), revision, max_age)


@pytest.mark.parametrize("what", ["registration", "key", "permission"])
def test_a_resource_server_that_is_refused_knows_nothing(
    *,
    server: RunningServer,
    keys: RemoteKeys,
    name: str,
    reader: Credentials,
    iam: Any,
    gateway_key: Credentials,
    what: str,
) -> None:
    """It does not wait for the bound of a lost link. A refused key that works again is enough to go on."""
    load(keys, claim_of(reader), server.clock.now())
    troubles: list[ServiceUnavailable] = []
    keys.facts.on_trouble = troubles.append
    asked = time.monotonic()
    if what == "registration":
        with server.there.store.write() as writer:
            registered = load_resource_server(writer, name)
            assert registered is not None
            records.delete(writer, registered)
    elif what == "key":
        iam.update_access_key(UserName="gateway", AccessKeyId=gateway_key.access_key, Status="Inactive")
    else:
        iam.delete_user_policy(UserName="gateway", PolicyName="keys")
    until(lambda: keys.facts.is_stale)
    assert time.monotonic() - asked < 2  # one question for changes
    assert refusal_of(keys, reader, server) is ServiceUnavailable
    assert isinstance(troubles[-1], RegistrationRefusedError)
    if what == "key":
        iam.update_access_key(UserName="gateway", AccessKeyId=gateway_key.access_key, Status="Active")
        until(lambda: refusal_of(keys, reader, server) is None)


def test_a_server_without_registrations_refuses_the_last_one(name: str) -> None:
    """Its paths then answer 404, as before the first registration."""
    with running_server() as empty:
        connection = ServerConnection(empty.url, name, Credentials("AKIA" + "A" * 16, "s" * 40), region="us-east-1")
        with pytest.raises(RegistrationRefusedError):
            ServerChanges(connection).changes(UNKNOWN, 0)
        connection.close()


def test_silence_ends_every_fact_exactly_at_the_bound() -> None:
    """A moment before the bound it still counts; at the bound every question is refused."""
    facts, _, clock = followed()
    facts.refresh("a", fact)
    clock.now += 59.999
    assert facts.find("a", fact) == "yes"
    clock.now = 1060.0
    with pytest.raises(ServiceUnavailable):
        facts.find("a", fact)


def test_a_server_without_its_database_does_not_extend_the_bound() -> None:
    """Its answers say how old its knowledge is."""
    facts, _, clock = followed()
    facts.refresh("a", fact)
    clock.now += 50
    facts.take_in(ChangesAnswer(revision=1, waited=1, age=51), asked=clock.now - 1)
    clock.now = 1060.0
    with pytest.raises(ServiceUnavailable):
        facts.find("a", fact)


def test_a_fact_that_is_older_than_a_reported_change_is_not_kept() -> None:
    """The answer was under way while the change was reported: it is read again."""
    facts, _, clock = followed()
    facts.take_in(ChangesAnswer(revision=2, waited=0, age=0, invalidated=frozenset({"x"})), asked=clock.now)
    answers = iter([fact(1, "x"), Fact("no", frozenset({"x"}), 2, 1000)])
    facts.refresh("a", lambda: next(answers))
    assert facts.find("a", fact) == "no"


def test_an_old_fact_that_no_change_touched_is_kept() -> None:
    """Its dependencies are not among the reported ones."""
    facts, _, clock = followed()
    facts.take_in(ChangesAnswer(revision=2, waited=0, age=0, invalidated=frozenset({"x"})), asked=clock.now)
    facts.refresh("a", lambda: fact(1, "y"))
    assert facts.find("a", fact) == "yes"


def test_a_fact_older_than_the_reports_is_not_kept() -> None:
    """After a reset, the reports cannot say what changed before."""
    facts, _, clock = followed()
    facts.take_in(ChangesAnswer(revision=5, waited=0, age=0, reset=True), asked=clock.now)
    with pytest.raises(ServiceUnavailable):
        facts.refresh("a", lambda: fact(4))


def test_a_fact_from_before_a_restored_backup_is_not_kept() -> None:
    """The server's revision went back while the answer was under way, so the numbers cannot tell which is newer."""
    facts, _, clock = followed()
    answers = iter([fact(9, "x"), Fact("no", frozenset({"x"}), 5, 1000)])

    def fetch() -> Fact:
        answer = next(answers)
        if answer.revision == 9:
            facts.take_in(ChangesAnswer(revision=5, waited=0, age=0, reset=True), asked=clock.now)
        return answer

    facts.refresh("a", fetch)
    assert facts.find("a", fact) == "no"


def test_a_change_drops_dependent_facts_and_a_reset_drops_all() -> None:
    """The other facts stay until the reset."""
    facts, _, clock = followed()
    facts.refresh("a", lambda: fact(1, "x"))
    facts.refresh("b", lambda: fact(1, "y"))
    facts.take_in(ChangesAnswer(revision=2, waited=0, age=0, invalidated=frozenset({"x"})), asked=clock.now)
    with pytest.raises(NotLoadedError):
        facts.find("a", fact)
    assert facts.find("b", fact) == "yes"
    facts.take_in(ChangesAnswer(revision=3, waited=0, age=0, reset=True), asked=clock.now)
    with pytest.raises(NotLoadedError):
        facts.find("b", fact)


def test_a_late_report_does_not_drop_a_newer_fact() -> None:
    """The fact was read after the change that is reported now."""
    facts, _, clock = followed()
    facts.refresh("a", lambda: fact(2, "x"))
    facts.take_in(ChangesAnswer(revision=2, waited=0, age=0, invalidated=frozenset({"x"})), asked=clock.now)
    assert facts.find("a", fact) == "yes"


def test_a_fact_ends_at_its_age() -> None:
    """The age counts from the question, not from the answer."""
    facts, _, clock = followed(stale_seconds=900)
    facts.refresh("a", lambda: fact(max_age=60))
    clock.now += 59.9
    assert facts.find("a", fact) == "yes"
    clock.now = 1060.0
    with pytest.raises(NotLoadedError):
        facts.find("a", fact)


def test_a_refusal_is_remembered_for_five_seconds() -> None:
    """A flood of one unknown key is one question in five seconds."""
    facts, _, clock = followed()
    asked: list[int] = []

    def refuse() -> Fact:
        asked.append(1)
        raise InvalidClientTokenId("unknown")

    facts.refresh("a", refuse)
    with pytest.raises(InvalidClientTokenId):
        facts.find("a", refuse)
    clock.now += 5
    with pytest.raises(NotLoadedError):
        facts.find("a", refuse)
    assert asked == [1]


def test_questions_are_limited() -> None:
    """A hundred a second, then the caller is told to slow down."""
    facts, _, clock = followed()
    for number in range(100):
        facts.refresh(number, fact)
    with pytest.raises(Fault, match="Rate exceeded"):
        facts.refresh("one more", fact)
    clock.now += 1
    facts.refresh("one more", fact)


def test_a_flood_of_new_names_leaves_known_ones_alone() -> None:
    """Invented keys and buckets use up the questions about new names, and known callers are still renewed."""
    facts, _, clock = followed()
    facts.refresh("known", lambda: fact(max_age=1))
    for number in range(1_000):
        with suppress(Throttling):
            facts.refresh(number, lambda: msgspec.structs.replace(fact(), value=None))
    clock.now += 1
    for number in range(1_000):
        with suppress(Throttling):
            facts.refresh(number, lambda: msgspec.structs.replace(fact(), value=None))
    with pytest.raises(NotLoadedError) as missing:
        facts.find("known", fact)
    assert not missing.value.is_new
    missing.value.load()
    assert facts.find("known", fact) == "yes"
    with pytest.raises(NotLoadedError) as missing:
        facts.find("unknown", fact)
    assert missing.value.is_new


def test_without_a_first_word_every_question_is_refused() -> None:
    """A gateway that never reached its server knows nothing."""
    facts = RemoteFacts(Feed(), stale_seconds=60, clock=Clock())
    with pytest.raises(ServiceUnavailable):
        facts.find("a", fact)
