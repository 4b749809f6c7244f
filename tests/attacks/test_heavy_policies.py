"""Policies that are slow to match cost whoever sends them, not everybody else."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.http.raw import WHO, send, signed

from daypass.authorize.context import Surroundings, build_context
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer
from daypass.wire.http import HttpRequest

SLOW = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "*", "Resource": [f"arn:aws:s3:::*a?{one}" for one in range(4_800)]},
    }
)


def seconds(call: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    before = time.monotonic()
    call()
    return time.monotonic() - before


@pytest.mark.parametrize("length", [100, 2_000])
def test_a_simulation_ends_soon_or_is_refused(client: ClientFactory, length: int) -> None:
    """What is compared in one page is bounded: the characters of policies by those of the texts."""
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

    assert seconds(simulate) < 15


def test_an_everyday_simulation_is_answered_in_full(client: ClientFactory) -> None:
    """The bounds are far from what people ask."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    answer = client("iam").simulate_custom_policy(
        PolicyInputList=[policy] * 10,
        ActionNames=[f"s3:Action{number}" for number in range(50)],
        ResourceArns=["arn:aws:s3:::bucket/" + "key/" * 50],
    )
    assert len(answer["EvaluationResults"]) == 50


def test_headers_count_up_to_a_bound(daypass_server: RunningServer) -> None:
    """A condition on aws:UserAgent sees the beginning of a header that is absurdly long."""
    body, headers = signed(daypass_server, WHO)
    assert send(daypass_server, body, {**headers, "User-Agent": "a" * 50_000}).status == 200
    caller = daypass_server.audit.happenings[-1].caller
    assert caller is not None
    long = ((b"user-agent", b"a" * 50_000), (b"referer", b"b" * 50_000))
    request = HttpRequest("POST", b"/", b"", long, b"", "", secure=True)
    context = build_context(caller, Surroundings(daypass_server.clock.now(), request, "us-east-1"))
    assert (context["aws:useragent"], context["aws:referer"]) == ("a" * 1_024, "b" * 1_024)
