"""The limits of STS: lifetimes of sessions to the second, and lengths of names and policies.

The clock stands at a whole second a few minutes ahead of the computer's, with which clients sign.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.refusals import refused
from tests.sts.authenticator import loose_client, new_user, who
from tests.sts.test_assume_role import new_role

from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

HERE = "arn:aws:iam::123456789012:role/"
INVALID = "ValidationError"
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningServer]:
    """Run a server with a user, and with roles of two maximum durations."""
    with running_server() as server:
        iam = client_factory(server)("iam")
        new_user(iam, "alice")
        new_role(iam, "hour")
        new_role(iam, "day", MaxSessionDuration=43_200)
        new_role(iam, "odd", MaxSessionDuration=7_201)
        yield server


@pytest.fixture
def now(running: RunningServer) -> Iterator[datetime]:
    """Return the time of the server's clock."""
    running.clock.freeze(datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1))
    yield running.clock.now()
    running.clock.reset()


@pytest.fixture(scope="module")
def alice(running: RunningServer) -> Any:
    """Return alice's client, without validation of parameters."""
    key = client_factory(running)("iam").create_access_key(UserName="alice")["AccessKey"]
    return loose_client(running, key)


@pytest.fixture(scope="module")
def root(running: RunningServer) -> Any:
    """Return the root user's client, without validation of parameters."""
    key = running.root
    return loose_client(running, {"AccessKeyId": key.access_key_id, "SecretAccessKey": key.secret_access_key})


@pytest.fixture
def chained(alice: Any, running: RunningServer, now: datetime) -> Any:
    """Return the client of a role session."""
    return loose_client(running, alice.assume_role(RoleArn=HERE + "day", RoleSessionName="first")["Credentials"])


def lifetime(answer: Any, now: datetime) -> int:
    """Return the lifetime of the credentials in an answer, in seconds."""
    left: timedelta = answer["Credentials"]["Expiration"] - now
    assert left % SECOND == timedelta()
    return left // SECOND


def outcome(call: Any, now: datetime, **parameters: Any) -> int | str:
    """Return the lifetime of the credentials, or the code of the refusal."""
    try:
        return lifetime(call(**parameters), now)
    except ClientError as error:
        return str(error.response["Error"]["Code"])


ROLES = [
    ("hour", None, 3_600),
    ("hour", 899, INVALID),
    ("hour", 900, 900),
    ("hour", 901, 901),
    ("hour", 3_599, 3_599),
    ("hour", 3_600, 3_600),
    ("hour", 3_601, INVALID),
    ("odd", 7_200, 7_200),
    ("odd", 7_201, 7_201),
    ("odd", 7_202, INVALID),
    ("day", None, 3_600),
    ("day", 43_199, 43_199),
    ("day", 43_200, 43_200),
    ("day", 43_201, INVALID),
]


@pytest.mark.parametrize(("role", "asked", "expected"), ROLES)
def test_a_role_session(alice: Any, now: datetime, role: str, asked: int | None, expected: int | str) -> None:
    """900 seconds to the role's own maximum, which is at most twelve hours."""
    more = {} if asked is None else {"DurationSeconds": asked}
    assert outcome(alice.assume_role, now, RoleArn=HERE + role, RoleSessionName="s1", **more) == expected


CHAINED = [
    ("day", None, 3_600),
    ("day", 900, 900),
    ("day", 3_599, 3_599),
    ("day", 3_600, 3_600),
    ("day", 3_601, INVALID),
]


@pytest.mark.parametrize(("role", "asked", "expected"), CHAINED)
def test_a_chained_session(chained: Any, now: datetime, role: str, asked: int | None, expected: int | str) -> None:
    """At most one hour, whatever maximum the role has."""
    more = {} if asked is None else {"DurationSeconds": asked}
    assert outcome(chained.assume_role, now, RoleArn=HERE + role, RoleSessionName="s2", **more) == expected


USERS = [(None, 43_200), (899, INVALID), (900, 900), (129_599, 129_599), (129_600, 129_600), (129_601, INVALID)]
ROOTS = [(None, 3_600), (899, INVALID), (900, 900), (3_599, 3_599), (3_600, 3_600), (3_601, 3_600), (129_600, 3_600)]


@pytest.mark.parametrize(("asked", "expected"), USERS)
def test_a_session_of_a_user(alice: Any, now: datetime, asked: int | None, expected: int | str) -> None:
    """Twelve hours by default, and 900 to 129,600 seconds if requested."""
    more = {} if asked is None else {"DurationSeconds": asked}
    assert outcome(alice.get_session_token, now, **more) == expected
    assert outcome(alice.get_federation_token, now, Name="fed", **more) == expected


@pytest.mark.parametrize(("asked", "expected"), ROOTS)
def test_a_session_of_a_root_user(root: Any, now: datetime, asked: int | None, expected: int | str) -> None:
    """At most an hour: a longer duration is cut."""
    more = {} if asked is None else {"DurationSeconds": asked}
    assert outcome(root.get_session_token, now, **more) == expected
    assert outcome(root.get_federation_token, now, Name="fed", **more) == expected


@pytest.mark.parametrize("seconds", [898, 899])
def test_a_session_is_good_until_its_last_second(running: RunningServer, alice: Any, seconds: int) -> None:
    """Every kind of credentials is valid up to the second before its Expiration."""
    for made in issued(running, alice):
        running.clock.move(timedelta(seconds=seconds))
        assert who(client_factory(running), made)
        running.clock.move(timedelta(seconds=-seconds))
    running.clock.reset()


@pytest.mark.parametrize("seconds", [900, 901])
def test_a_session_is_refused_from_its_expiration_on(running: RunningServer, alice: Any, seconds: int) -> None:
    """Every kind of credentials gets ExpiredToken then; the user's own key still works."""
    for made in issued(running, alice):
        running.clock.move(timedelta(seconds=seconds))
        refusal = refused(who, client_factory(running), made)
        assert refusal == ("ExpiredToken", 403, "The security token included in the request is expired")
        assert alice.get_caller_identity()
        running.clock.move(timedelta(seconds=-seconds))
    running.clock.reset()


def issued(running: RunningServer, alice: Any) -> list[Any]:
    """Return credentials of each kind that live for 900 seconds, created four minutes ago by the computer's clock."""
    running.clock.freeze(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=4))
    return [
        alice.assume_role(RoleArn=HERE + "hour", RoleSessionName="s1", DurationSeconds=900)["Credentials"],
        alice.get_session_token(DurationSeconds=900)["Credentials"],
        alice.get_federation_token(Name="fed", DurationSeconds=900)["Credentials"],
    ]


TEXTS = [
    ("RoleSessionName", [(1, INVALID), (2, 3_600), (64, 3_600), (65, INVALID)]),
    ("ExternalId", [(1, INVALID), (2, 3_600), (1_224, 3_600), (1_225, INVALID)]),
    ("SourceIdentity", [(1, INVALID), (2, 3_600), (256, 3_600), (257, INVALID)]),
]


@pytest.mark.parametrize(("name", "length", "expected"), [(name, *case) for name, cases in TEXTS for case in cases])
def test_the_texts_of_a_role_session(alice: Any, now: datetime, name: str, length: int, expected: int | str) -> None:
    """Each is as long as AWS accepts, and not a character more or less."""
    given = {"RoleArn": HERE + "day", "RoleSessionName": "s1", name: "x" * length}
    assert outcome(alice.assume_role, now, **given) == expected


@pytest.mark.parametrize(("length", "expected"), [(1, INVALID), (2, 43_200), (32, 43_200), (33, INVALID)])
def test_the_name_of_a_federated_user(alice: Any, now: datetime, length: int, expected: int | str) -> None:
    """Two to thirty-two characters."""
    assert outcome(alice.get_federation_token, now, Name="x" * length) == expected


def allowing(characters: int) -> str:
    """Return a session policy of this many characters."""
    whole = {"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", "Action": "*", "Resource": "*"}}
    bare = json.dumps(whole)
    # White space compresses well, so only the number of characters is at its limit.
    return bare + " " * (characters - len(bare))


@pytest.mark.parametrize(("characters", "expected"), [(2_047, 3_600), (2_048, 3_600), (2_049, "PackedPolicyTooLarge")])
def test_the_size_of_a_session_policy(alice: Any, now: datetime, characters: int, expected: int | str) -> None:
    """2,048 characters."""
    given = {"RoleArn": HERE + "day", "RoleSessionName": "s1", "Policy": allowing(characters)}
    assert outcome(alice.assume_role, now, **given) == expected


@pytest.mark.parametrize(("number", "expected"), [(9, 3_600), (10, 3_600), (11, "InvalidParameterValue")])
def test_the_number_of_managed_session_policies(
    running: RunningServer, alice: Any, now: datetime, number: int, expected: int | str
) -> None:
    """Ten."""
    iam = client_factory(running)("iam")
    arns = [
        iam.create_policy(PolicyName=f"p{number}-{each}", PolicyDocument=allowing(200))["Policy"]["Arn"]
        for each in range(number)
    ]
    given = {"RoleArn": HERE + "day", "RoleSessionName": "s1", "PolicyArns": [{"arn": arn} for arn in arns]}
    assert outcome(alice.assume_role, now, **given) == expected


TAGGED = [
    ([("k" * 128, "v" * 256)], 3_600),
    ([("k" * 129, "v")], INVALID),
    ([("k", "v" * 257)], INVALID),
    ([("", "v")], INVALID),
    ([(f"k{number}", "") for number in range(50)], 3_600),
    ([(f"k{number}", "") for number in range(51)], INVALID),
]


@pytest.mark.parametrize(("pairs", "expected"), TAGGED)
def test_session_tags(alice: Any, now: datetime, pairs: list[tuple[str, str]], expected: int | str) -> None:
    """Fifty tags, keys of 1 to 128 and values of 0 to 256 characters."""
    tags = [{"Key": key, "Value": value} for key, value in pairs]
    assert outcome(alice.assume_role, now, RoleArn=HERE + "day", RoleSessionName="s1", Tags=tags) == expected
