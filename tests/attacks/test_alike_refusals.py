"""Refusals that every caller can cause are grouped; other events are not."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.http.raw import FORM, send, signed

from daypass.audit.event import AuditRecord, Event
from daypass.audit.refusal_groups import MOST_GROUPS, MOST_GROUPS_OF_PEER, WINDOW, RefusalGroups
from daypass.audit.sinks import open_sink
from daypass.authenticate.caller import root_caller
from daypass.errors import AccessDenied, ExpiredToken, InvalidAction, InvalidClientTokenId, SignatureDoesNotMatch
from daypass.http.throttle import peer_network
from daypass.testing.server import RunningServer
from daypass.wire.http import HttpRequest

START = datetime(2026, 11, 1, tzinfo=UTC)
KNOWN = "AKIAIOSFODNN7EXAMPLE"


def refusal(number: int = 0, peer: str = "192.0.2.1", agent: bytes = b"x", **changed: Any) -> AuditRecord:
    """Return the refusal of a call whose key does not exist."""
    request = HttpRequest("POST", b"/", b"", ((b"user-agent", agent),), b"", peer, False)
    at, fault = START + timedelta(seconds=number), InvalidClientTokenId("no")
    made = AuditRecord(at, str(number), request, "sts", "GetCallerIdentity", "us-east-1", "AKIAX", None, None, fault)
    return msgspec.structs.replace(made, **changed)


def of_known_key(number: int = 0, key: str = KNOWN, account: str = "123456789012", **changed: Any) -> AuditRecord:
    """Return the refusal of a call with a key that exists."""
    fault = SignatureDoesNotMatch("no")
    fault.names_known_key, fault.key_account = True, account
    return refusal(number, access_key_id=key, fault=fault, **changed)


class Log:
    """The groups, and the events that they produced."""

    def __init__(self) -> None:
        self.now = 0.0
        self.at_once: list[AuditRecord] = []
        self.groups = RefusalGroups(peer_network, lambda: "id")

    def take(self, one: AuditRecord) -> bool:
        """Add a refusal."""
        is_first = self.groups.take(one, self.now)
        self.at_once += [one] if is_first else []
        return is_first

    def ended(self) -> list[Event]:
        """End the window."""
        self.now += WINDOW
        return list(self.groups.ended(self.now))


def aggregated(event: Event) -> dict[str, Any]:
    """Return the event's data about grouped refusals."""
    found: dict[str, Any] = (event.additional_event_data or {}).get("aggregated", {"count": 1})
    return found


def test_the_first_is_recorded_at_once_and_the_others_are_counted() -> None:
    """The first of a thousand refusals is an event, the others are one count.

    The count has the times of the first and the last.
    """
    log = Log()
    assert log.take(refusal(0))
    for number in range(1, 1_000):
        assert not log.take(refusal(number))
    assert list(log.groups.ended(log.now + WINDOW - 0.001)) == []
    [event] = log.ended()
    assert (event.event_name, event.error_code, event.request_i_d) == ("GetCallerIdentity", "InvalidClientTokenId", "1")
    times = {"firstTime": START + timedelta(seconds=1), "lastTime": START + timedelta(seconds=999)}
    assert aggregated(event) == {"count": 999, **times}
    assert log.take(refusal()), "a new window begins with an event at once"


def test_a_second_one_alone_is_an_event_like_any_other() -> None:
    """A count of one would not be useful."""
    log = Log()
    for number in range(2):
        log.take(refusal(number))
    [event] = log.ended()
    assert event.additional_event_data is None
    assert event.request_i_d == "1"


def test_a_window_without_repetition_leaves_nothing() -> None:
    """A refusal that was recorded at once is not recorded again."""
    log = Log()
    log.take(refusal())
    assert log.ended() == []


@pytest.mark.parametrize(
    "other",
    [
        refusal(1, peer="192.0.2.2"),
        refusal(1, action="AssumeRole"),
        refusal(1, fault=ExpiredToken("x")),
        of_known_key(1),
        refusal(1, parameters={"RoleArn": "arn:aws:iam::123456789012:role/r"}),
    ],
)
def test_unlike_refusals_are_not_taken_together(other: AuditRecord) -> None:
    """A group has one peer, action, code, existing key and role account."""
    log = Log()
    assert log.take(refusal())
    assert log.take(other)
    assert not log.take(other)


@pytest.mark.parametrize(
    "other",
    [
        refusal(1, agent=b"y"),
        refusal(1, access_key_id="AKIAY"),
        refusal(1, parameters={"RoleSessionName": "z"}),
        refusal(1, parameters={"RoleArn": "arn:aws:iam::" + "9" * 500 + ":role/r"}),
        refusal(1, region="eu-west-1"),
        refusal(1, fault=InvalidClientTokenId("other words", detail="other detail")),
    ],
)
def test_what_an_attacker_chooses_freely_makes_no_kind(other: AuditRecord) -> None:
    """An invented key ID, an agent or a parameter, which the attacker chooses freely, has no own group."""
    log = Log()
    assert log.take(refusal())
    assert not log.take(other)


def test_an_ipv6_network_is_one_peer() -> None:
    """A single host has 2^64 addresses."""
    log = Log()
    assert log.take(refusal(peer="2001:db8::1"))
    assert not log.take(refusal(peer="2001:db8::2"))


def test_one_peer_has_few_groups_and_the_rest_is_counted_by_code() -> None:
    """A peer that varies its calls gets one common event for the rest.

    Every attempt is counted.
    """
    log = Log()
    for number in range(1_000):
        log.take(refusal(number, action=f"Action{number % 200}", fault=(InvalidAction, ExpiredToken)[number % 2]("no")))
    events = log.ended()
    assert len(log.at_once) == MOST_GROUPS_OF_PEER + 1
    [common] = [event for event in events if event.event_name == "Various"]
    assert common.error_code == "Various"
    assert common.source_i_p_address == "192.0.2.1"
    assert sum(aggregated(common)["errorCodes"].values()) == aggregated(common)["count"]
    assert len(log.at_once) + sum(aggregated(event)["count"] for event in events) == 1_000


def test_tries_of_a_real_key_are_not_lost_among_tries_of_invented_ones() -> None:
    """Attempts with an existing key have their own event.

    The number of invented keys of the peer has no effect.
    """
    log = Log()
    for number in range(1_000):
        log.take(refusal(number, action=f"Action{number % 200}"))
    assert log.take(of_known_key())
    for number in range(5):
        log.take(of_known_key(number))
    [event] = [event for event in log.ended() if event.error_code == "SignatureDoesNotMatch"]
    assert (event.user_identity.access_key_id, aggregated(event)["count"]) == (KNOWN, 5)


def test_tries_of_a_real_key_are_not_lost_among_tries_of_another_account_s() -> None:
    """Attempts on one key have their own event.

    Neither a tenant's many keys nor an attacker's many addresses hide them.
    """
    log = Log()
    for number in range(2 * MOST_GROUPS):
        log.take(of_known_key(number, key=f"ASIA{number}", account="000000000001"))
        log.take(refusal(number, peer=f"10.0.{number >> 8}.{number & 255}"))
    for number in range(6):
        log.take(of_known_key(number))
    [event] = [event for event in log.ended() if event.user_identity.access_key_id == KNOWN]
    assert (event.error_code, aggregated(event)["count"]) == ("SignatureDoesNotMatch", 5)


def test_many_peers_share_a_bounded_table() -> None:
    """A botnet fills only the table; the rest is counted."""
    log = Log()
    for number in range(10_000):
        log.take(refusal(number, peer=f"10.{number >> 8 & 255}.{number & 255}.1"))
        log.take(of_known_key(number, key=f"AKIA{number}", account=f"{number:012}"))
    assert len(log.at_once) == MOST_GROUPS + 1
    [common] = log.ended()
    assert (common.event_name, common.source_i_p_address) == ("Various", "Various")
    assert aggregated(common)["count"] == 20_000 - len(log.at_once)
    assert log.groups.take(refusal(), log.now), "the table is empty again"


def test_refusals_of_a_proven_caller_and_answers_are_never_taken_together(tmp_path: Path) -> None:
    """Each call of an authenticated caller is evidence and has its own event."""
    caller, file = root_caller("123456789012", KNOWN), tmp_path / "audit"
    sink = open_sink(str(file))
    for number in range(20):
        sink(refusal(number, caller=caller, fault=AccessDenied("no")))
        sink(refusal(number, caller=caller, fault=None))
        sink(refusal(number, fault=None))
    sink.close()
    counted = Counter(json.loads(line)["requestID"] for line in file.read_bytes().splitlines())
    assert counted == {str(number): 3 for number in range(20)}


def test_a_connection_at_full_speed_writes_little(daypass_server: RunningServer, tmp_path: Path) -> None:
    """A window of varying agents, key IDs, actions and codes takes some kilobytes."""
    calls, file = 300, tmp_path / "audit"
    for number in range(calls):
        action = ("GetCallerIdentity", "GetSessionToken", "NoSuchThing", "AssumeRole")[number % 4]
        body, headers = signed(daypass_server, {"Action": action, "Version": "2011-06-15", "X": "ÿ" * 100})
        if number % 3:
            changed = headers["Authorization"].replace(daypass_server.root.access_key_id, f"AKIA{number:0>100}")
            headers = {**headers, "Authorization": changed}
        elif number % 2:
            headers = {"Content-Type": FORM}
        else:
            headers["Authorization"] += "0"
        assert send(daypass_server, body, {**headers, "User-Agent": chr(128 + number % 100) * 400}).status >= 400
    sink = open_sink(str(file))
    for one in daypass_server.audit.audit_records:
        sink(one)
    sink.close()
    events = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert file.stat().st_size < 40_000
    assert (
        sum(event.get("additionalEventData", {}).get("aggregated", {"count": 1})["count"] for event in events) == calls
    )


def test_what_is_gathered_is_written_at_the_end(tmp_path: Path) -> None:
    """A server that stops writes its counts, also of refusals that cannot be written in full."""
    file = tmp_path / "audit"
    sink = open_sink(str(file))
    for number in range(7):
        sink(refusal(number, access_key_id="\ud800", parameters={"RoleArn": "\ud800"}))
    sink.close()
    first, others = (json.loads(line) for line in file.read_bytes().splitlines())
    assert first["requestID"] == "0"
    assert others["additionalEventData"]["aggregated"]["count"] == 6
