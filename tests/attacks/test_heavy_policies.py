"""Slow policies slow down their sender, not other callers."""

import contextlib
import json
import threading
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from tests.documents import allow, deny, document, trusting
from tests.growth import least_seconds
from tests.http.raw import WHO, Answer, send, signed

from daypass.audit.event import AuditRecord
from daypass.authorize.context import RequestInfo, build_context
from daypass.bootstrap import RootKey
from daypass.config import Config
from daypass.directory.store import WouldBlockError
from daypass.errors import Throttling
from daypass.policy.decision import TOO_MUCH_WORK
from daypass.storage.views import BlockingView, WorkShares
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import Recorder, RunningServer, running_server
from daypass.wire.http import HttpRequest, HttpResponse
from daypass.wiring import build_app

SLOW = document(allow("*", [f"arn:aws:s3:::*a?{one}" for one in range(4_800)]))


@pytest.mark.parametrize("length", [100, 2_000])
def test_a_simulation_ends_soon_or_is_refused(client: ClientFactory, length: int) -> None:
    """The work of one page is limited.

    The work is pattern characters times value characters.
    """
    iam = client("iam")

    def simulate() -> None:
        try:
            answer = iam.simulate_custom_policy(
                PolicyInputList=[SLOW] * 7,
                ActionNames=[f"s3:GetObject{number}" for number in range(50)],
                ResourceArns=["arn:aws:s3:::" + "ab" * (length // 2)],
            )
        except ClientError as refusal:
            assert refusal.response["Error"]["Code"] == "InvalidInput"  # noqa: PT017 - either is right
        else:
            assert answer["EvaluationResults"]
            assert answer["IsTruncated"]

    assert least_seconds(simulate, 15) < 15  # the server runs in this process


def test_an_everyday_simulation_is_answered_in_full(client: ClientFactory) -> None:
    """The bounds are far from what people ask."""
    policy = document(allow("s3:*"))
    answer = client("iam").simulate_custom_policy(
        PolicyInputList=[policy] * 10,
        ActionNames=[f"s3:Action{number}" for number in range(50)],
        ResourceArns=["arn:aws:s3:::bucket/" + "key/" * 50],
    )
    assert len(answer["EvaluationResults"]) == 50


def test_headers_count_up_to_a_bound(daypass_server: RunningServer) -> None:
    """A condition on aws:UserAgent tests only the start of a very long header."""
    body, headers = signed(daypass_server, WHO)
    assert send(daypass_server, body, {**headers, "User-Agent": "a" * 50_000}).status == 200
    caller = daypass_server.audit.audit_records[-1].caller
    assert caller is not None
    long = ((b"user-agent", b"a" * 50_000), (b"referer", b"b" * 50_000))
    request = HttpRequest("POST", b"/", b"", long, b"", "", secure=True)
    context = build_context(caller, RequestInfo(daypass_server.clock.now(), request, "us-east-1"))
    assert (context["aws:useragent"], context["aws:referer"]) == ("a" * 1_024, "b" * 1_024)


# The thread of a decision --------------------------------------------------------------------------------------

LOOP = "daypass"  # the thread of the test server's event loop; the others are its workers
ASSUME = {
    "Action": "AssumeRole",
    "Version": "2011-06-15",
    "RoleArn": "arn:aws:iam::123456789012:role/target",
    "RoleSessionName": "ab",
}
HOSTILE = [f"*{'?' * 511}b{number}*" for number in range(10)]


class Places(list[AuditRecord]):
    """The audit's events, and the thread that answered and wrote each."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []

    def append(self, record: AuditRecord) -> None:
        """Store an event and its thread."""
        self.threads.append(threading.current_thread().name)
        super().append(record)


@pytest.fixture
def places(daypass_server: RunningServer) -> Places:
    """Return the events of the server from now on."""
    daypass_server.audit.audit_records = found = Places()
    return found


def hostile_user(client: ClientFactory, policies: int) -> RootKey:
    """Return a user with many managed policies through groups of ten. One policy allows everything."""
    iam = client("iam")
    text = document(deny("sts:AssumeRole", Condition={"StringLike": {"aws:UserAgent": HOSTILE}}))
    iam.create_role(RoleName="target", AssumeRolePolicyDocument=document(trusting({"AWS": "123456789012"})))
    arns = [iam.create_policy(PolicyName=f"p{one}", PolicyDocument=text)["Policy"]["Arn"] for one in range(10)]
    iam.create_user(UserName="mallory")
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam.put_user_policy(UserName="mallory", PolicyName="all", PolicyDocument=json.dumps(everything))
    for group in range(-(-policies // 10)):
        iam.create_group(GroupName=f"g{group}")
        iam.add_user_to_group(GroupName=f"g{group}", UserName="mallory")
        for arn in arns[: policies - 10 * group]:
            iam.attach_group_policy(GroupName=f"g{group}", PolicyArn=arn)
    made = iam.create_access_key(UserName="mallory")["AccessKey"]
    return RootKey("123456789012", made["AccessKeyId"], made["SecretAccessKey"])


def assume(server: RunningServer, key: RootKey, agent: str) -> Answer:
    """Call AssumeRole with a User-Agent."""
    body, headers = signed(replace(server, root=key), ASSUME)
    return send(server, body, {**headers, "User-Agent": agent})


def test_a_hundred_hostile_policies_are_refused_without_being_compared(
    daypass_server: RunningServer, client: ClientFactory, places: Places
) -> None:
    """A decision above the budget is refused, even if a policy allows all.

    With a short header the decision is as usual.
    """
    mallory = hostile_user(client, 100)
    answer = assume(daypass_server, mallory, "a" * 1_024)
    assert (answer.status, "AccessDenied" in answer.text) == (403, True)
    refused = places[-1].fault
    assert refused is not None
    assert TOO_MUCH_WORK in refused.detail
    assert places.threads[-1] != LOOP
    assert send(daypass_server, b"", method="GET", target="/healthz").status == 200


def test_a_large_decision_is_made_on_a_worker_and_a_small_one_is_not(
    daypass_server: RunningServer, client: ClientFactory, places: Places
) -> None:
    """A decision of more than a millisecond runs on a worker."""
    mallory = hostile_user(client, 3)
    for agent, is_large in (("aws-cli", False), ("a" * 1_024, True)):
        assume(daypass_server, mallory, agent)  # fills the cache, on a worker in any case
        assert assume(daypass_server, mallory, agent).status == 200
        assert (places.threads[-1] != LOOP) is is_large


@pytest.mark.parametrize(
    "body",
    [
        b"Action=GetCallerIdentity&Version=2011-06-15&x=" + b"%41" * 20_000,
        b"Action=GetCallerIdentity&Version=2011-06-15" + b"".join(b"&a%d=" % number for number in range(4_000)),
        b"\xff" * 40_000,
        b"&" * 4_000,
    ],
    ids=["escapes", "parameters", "bytes", "separators"],
)
def test_a_large_body_is_read_on_a_worker(daypass_server: RunningServer, places: Places, body: bytes) -> None:
    """Unsigned callers can send large bodies, so other callers must not wait."""
    body, headers = signed(daypass_server, body)
    send(daypass_server, body, headers)
    assert places.threads[-1] != LOOP
    body, headers = signed(daypass_server, WHO)
    assert send(daypass_server, body, headers).status == 200
    assert send(daypass_server, body, headers).status == 200
    assert places.threads[-1] == LOOP


def test_large_unsigned_calls_are_counted_like_small_ones() -> None:
    """A padded form does not bypass the limit of unsigned calls."""
    call = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "WebIdentityToken": "a" * 70_000}
    with running_server(config=Config(unsigned_calls_per_minute=3)) as server:
        answers = [send(server, urlencode(call).encode()) for _ in range(5)]
        assert ["Throttling" in answer.text for answer in answers] == [False] * 3 + [True] * 2


def test_a_refusal_needs_no_share_to_be_a_refusal(daypass_server: RunningServer, client: ClientFactory) -> None:
    """If the account's share is used up, a large decision is throttled.

    A denial is then without its reasons.
    """
    mallory = hostile_user(client, 3)
    none_left, many = WorkShares(of_one=0, of_all=0), WorkShares(of_one=99, of_all=99)
    app = build_app(daypass_server.config, daypass_server.there, sink=Recorder())

    def answer(agent: str, role: str) -> HttpResponse:
        body, headers = signed(replace(daypass_server, root=mallory), {**ASSUME, "RoleArn": role})
        named = tuple(
            (name.lower().encode(), value.encode()) for name, value in {**headers, "User-Agent": agent}.items()
        )
        request = HttpRequest("POST", b"/", b"", named, body, "127.0.0.1", secure=False)
        with pytest.raises(WouldBlockError):
            app.pipeline.answer(request, "id", app.nonblocking)
        store_view = app.blocking
        assert isinstance(store_view, BlockingView)
        return app.pipeline.answer(request, "id", store_view.sharing(none_left, many))

    large = answer("a" * 1_024, ASSUME["RoleArn"])
    assert (large.status, b"Throttling" in large.body) == (400, True)
    denied = answer("aws-cli", "arn:aws:iam::123456789012:role/none")
    assert (denied.status, b"AccessDenied" in denied.body) == (403, True)
    assert not [name for name, _ in denied.headers if name == b"x-daypass-authorization-message"]


def test_one_account_cannot_wait_for_its_turn_to_write_on_every_thread(
    daypass_server: RunningServer, client: ClientFactory
) -> None:
    """The account's next call is throttled before it waits.

    Other accounts can write meanwhile.
    """
    app = build_app(daypass_server.config, daypass_server.there, sink=Recorder())
    store_view, many = app.blocking, WorkShares(of_one=99, of_all=99)
    assert isinstance(store_view, BlockingView)
    writers = WorkShares(of_one=1, of_all=99)
    create = {"Action": "CreateUser", "Version": "2010-05-08", "UserName": "one-more"}
    body, headers = signed(daypass_server, create, service="iam")
    named = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    request = HttpRequest("POST", b"/", b"", named, body, "127.0.0.1", secure=False)
    with writers.take("123456789012"):
        put_off = app.pipeline.answer(request, "id", store_view.sharing(many, writers))
        assert (put_off.status, b"Throttling" in put_off.body) == (400, True)
        client("iam", daypass_server.new_account()).create_user(UserName="another")
    assert app.pipeline.answer(request, "id", store_view).status == 200


def test_one_account_has_a_share_of_the_workers() -> None:
    """The third large decision of an account at the same time is throttled.

    Another account's decision is made.
    """
    shares = WorkShares(of_one=2, of_all=3)
    with shares.take("1"), shares.take("1"):
        with pytest.raises(Throttling), shares.take("1"):
            pass
        with shares.take("2"), pytest.raises(Throttling), shares.take("3"):
            pass
        with shares.take("3"):
            pass
    with contextlib.suppress(KeyError), shares.take("1"):
        raise KeyError
    with shares.take("1"), shares.take("1"):
        pass
