"""An event has a maximum size, for all strings of a caller."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http.raw import send, signed
from tests.slow_cases import quick_first

from daypass.audit import bounds
from daypass.audit import event as event_module
from daypass.audit.bounds import cut_text, cut_value, encode_json
from daypass.audit.event import AuditRecord, to_event
from daypass.audit.lines import LARGEST_LINE, LARGEST_UNPROVEN_LINE, new_event_ids, to_line
from daypass.audit.sinks import open_sink
from daypass.authenticate.caller import root_caller
from daypass.errors import InvalidIdentityToken
from daypass.testing.server import RunningServer
from daypass.wire.http import HttpRequest

WIDE = ("\x01", "ÿ", "本", "😀", '"', "\\", "\x7f", "\x9b", "\u2028", "\u202e", "a")


def of_request(**changed: Any) -> AuditRecord:
    """Return the audit record of a root user's call, with changes."""
    request = HttpRequest("POST", b"/", b"", ((b"user-agent", b"aws-cli/2"),), b"", "192.0.2.1", False)
    at, caller = datetime(2026, 11, 1, tzinfo=UTC), root_caller("123456789012", "AKIAIOSFODNN7EXAMPLE")
    plain = AuditRecord(at, "id", request, "sts", "AssumeRole", "us-east-1", caller.access_key_id, caller, None, None)
    return msgspec.structs.replace(plain, **changed)


def test_each_event_says_its_version_its_type_and_an_id_of_its_own(tmp_path: Path) -> None:
    """Tools that read CloudTrail use these three members."""
    sink = open_sink(str(tmp_path / "audit"))
    for _ in range(3):
        sink(of_request())
    sink.close()
    events = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert {(event["eventVersion"], event["eventType"]) for event in events} == {("1.11", "AwsApiCall")}
    assert len({event["eventID"] for event in events}) == 3
    assert all([len(part) for part in event["eventID"].split("-")] == [8, 4, 4, 4, 12] for event in events)


def test_event_ids_do_not_repeat_where_a_digit_is_carried() -> None:
    """Nine digits of the ID are counted."""
    new_id = new_event_ids()
    assert len({new_id() for _ in range(2 * 16**3 + 1)}) == 2 * 16**3 + 1


@pytest.mark.parametrize("character", WIDE)
@pytest.mark.parametrize("length", [255, 256, 257, 4_000])
def test_a_string_is_bounded_by_what_json_makes_of_it(character: str, length: int) -> None:
    """One character takes one to six bytes in the log."""
    cut = cut_text(character * length, 256)
    assert len(encode_json(cut)) <= 256 + 2
    assert cut == character * length or cut.endswith("…")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400), st.integers(3, 300))
@settings(max_examples=200, deadline=None)
def test_a_cut_string_is_as_long_as_the_bound_allows(text: str, most: int) -> None:
    """The mark is in place of the part that did not fit.

    A string that fits is not cut.
    """
    cut, whole = cut_text(text, most), len(encode_json(text)) - 2
    assert len(encode_json(cut)) - 2 <= most
    assert (cut == text) is (whole <= most)
    if cut != text:
        assert text.startswith(cut[:-1])
        assert len(encode_json(text[: len(cut)] + "…")) - 2 > most


def test_cutting_costs_what_is_kept_and_not_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An access key ID may be as long as the request head.

    Only as much as can be written is encoded.
    """
    encoded: list[int] = []

    def encode(text: str) -> bytes:
        encoded.append(len(text))
        return encode_json(text)

    monkeypatch.setattr(bounds, "encode_json", encode)
    assert cut_text("\x9b" * 100_000, 128).endswith("…")
    assert max(encoded) <= 128


@pytest.mark.parametrize("character", WIDE)
def test_a_refusal_that_anybody_can_cause_is_short(character: str) -> None:
    """The attacker's agent, address, key ID, message, detail and parameters take at most 4 KB in the worst case."""
    long = character * 2_000
    agent = (b"user-agent", character.encode("utf-8") * 2_000)
    parameters = {f"{name}{number}": long for number, name in enumerate(("RoleArn", "PrincipalArn", "ProviderId") * 3)}
    refused = of_request(
        request=HttpRequest("POST", b"/", b"", (agent,), b"", long, False),
        access_key_id=long,
        caller=None,
        parameters={**parameters, "PolicyArns": [{"arn": long}] * 50, "Tags": {long + str(n): long for n in range(50)}},
        fault=InvalidIdentityToken(long, detail=long),
    )
    line = to_line(refused, new_event_ids()())
    assert len(line) <= LARGEST_UNPROVEN_LINE
    assert json.loads(line)["errorCode"] == "InvalidIdentityToken"


@pytest.mark.parametrize("character", quick_first(WIDE, quick=2))
def test_the_event_of_a_proven_caller_is_bounded_too(character: str) -> None:
    """A call with credentials cannot fill the disk either.

    Plain parameters stay readable.
    """
    long = character * 2_000
    nested = [{f"Name{number}{long}": [long] * 50 for number in range(50)}] * 50
    event = of_request(parameters={"UserName": "alice", **{f"P{n}": nested for n in range(2)}})
    line = to_line(event, new_event_ids()())
    assert len(line) <= LARGEST_LINE
    assert json.loads(line)["requestParameters"] == {"userName": "alice", **{f"p{n}": "…" for n in range(2)}}


def test_an_agent_of_high_bytes_does_not_double(daypass_server: RunningServer) -> None:
    """Bytes above 127 become two bytes in UTF-8 and are counted as two."""
    body, headers = signed(daypass_server)
    assert send(daypass_server, body, {**headers, "User-Agent": "ÿ" * 1_000}).status == 200
    agent = to_event(daypass_server.audit.audit_records[-1]).user_agent
    assert len(agent.encode()) <= 256


@pytest.mark.parametrize("place", ["parameters", "access_key_id", "fault"])
def test_what_json_cannot_hold_does_not_stop_the_record(place: str) -> None:
    """A lone surrogate anywhere in an event removes only its own field."""
    bad: Any = {"parameters": {"Name": "\ud800"}, "access_key_id": "\ud800", "fault": InvalidIdentityToken("\ud800")}
    event = of_request(caller=None, fault=InvalidIdentityToken("x"), action="AssumeRole")
    line = json.loads(to_line(msgspec.structs.replace(event, **{place: bad[place]}), new_event_ids()()))
    assert (line["eventName"], line["errorCode"]) == ("AssumeRole", "InvalidIdentityToken")


ACTED_ON = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *"\u061c\u200e\u200f\u2028\u2029"]
ACTED_ON += [chr(point) for low, high in ((0x202A, 0x202F), (0x2066, 0x206A)) for point in range(low, high)]


def test_no_character_of_a_caller_moves_a_terminal_or_ends_a_line() -> None:
    """`tail` and readers of lines show the log as it was written.

    Each character can be restored.
    """
    text = "".join(f"{character}[31m" for character in ACTED_ON)
    agent = "".join(character for character in text if character < "\u0100").encode("latin-1")
    request = HttpRequest("POST", b"/", b"", ((b"user-agent", agent[-100:]),), b"", "192.0.2.1", False)
    parameters = {"RoleSessionName": text[:120], "Tags": [{"Key": text[120:260], "Value": text[260:]}], text[:40]: "x"}
    for caller in (None, of_request().caller):
        fault = InvalidIdentityToken(text[:200], detail=text[200:])
        line = to_line(of_request(caller=caller, request=request, parameters=parameters, fault=fault), "id")
        written = line.decode()
        assert written.endswith("\n")
        assert not [character for character in ACTED_ON if character in written[:-1]]
        assert len(written.splitlines()) == 1
    assert json.loads(line)["requestParameters"]["roleSessionName"] == text[:120]


_STRINGS = st.one_of(
    st.text(max_size=3),
    st.sampled_from(
        [letter * length for letter in ("a", "\x01") for length in (10, 42, 43, 170, 171, 256, 257, 1_366)]
    ),
)
_ELEMENTS = st.one_of(
    st.fixed_dictionaries({"Key": _STRINGS}, optional={"Value": _STRINGS}),
    st.fixed_dictionaries({"Key": _STRINGS, "Value": _STRINGS}),
    _STRINGS,
    st.integers(),
    st.lists(_STRINGS, max_size=2),
    st.dictionaries(_STRINGS, st.one_of(_STRINGS, st.lists(_STRINGS, max_size=2), st.integers()), max_size=12),
)


# As many members as in a tag, under the same names or other ones.
_PAIRS = st.one_of(
    *[st.fixed_dictionaries({"Key": st.just("k"), name: _STRINGS}) for name in ("Value", "Other", "\x01" * 257)],
    st.fixed_dictionaries({"Value": _STRINGS, "Key": _STRINGS}),
)
_LISTS = [st.lists(each, max_size=52) for each in (_ELEMENTS, _STRINGS, st.just({"Key": "k", "Value": "v"}), _PAIRS)]


@given(st.one_of(_LISTS))
@settings(max_examples=150, deadline=None)
def test_a_list_is_cut_like_its_elements(values: list[Any]) -> None:
    """A list that needs no cut is found without a look at each element, and the outcome is the same."""
    for given_bounds in (
        bounds.Bounds(characters=256, text_bytes=1_024, items=50, inner_items=10),
        bounds.Bounds(characters=256, text_bytes=256, items=10, inner_items=0),
    ):
        each_one = [cut_value({"inner": one}, given_bounds)["inner"] for one in values[: given_bounds.items]]
        expected = each_one if len(values) <= given_bounds.items else [*each_one, "…"]
        assert cut_value(values, given_bounds) == expected


_TEXTS = st.text(max_size=60) | st.sampled_from(["a" * 42, "a" * 43, "\x01" * 43, "é" * 300, "a" * 2_049, "\ud800"])
_VALUES = _TEXTS | st.integers(-1, 2**63 - 1) | st.booleans() | st.lists(_TEXTS, max_size=2)


@given(st.dictionaries(_TEXTS, _VALUES, max_size=12), st.dictionaries(_TEXTS, _TEXTS, max_size=3), st.booleans())
def test_short_fields_of_a_data_event_are_what_a_cut_leaves(
    additional: dict[str, object],
    fields: dict[str, str],
    is_short: bool,  # noqa: FBT001
) -> None:
    """The quick test for fields that need no cut does not change an event."""
    limits = event_module._UNPROVEN if is_short else event_module._OF_DATA

    def read(cut: Callable[[], object]) -> object:
        try:
            return cut()
        except UnicodeEncodeError:
            return UnicodeEncodeError

    expected = read(lambda: cut_value(additional, limits))
    assert read(lambda: event_module._cut_additional(additional, limits)) == expected
    expected = read(lambda: {name: cut_text(value, limits.text_bytes) for name, value in fields.items()})
    assert read(lambda: event_module._cut_fields(fields, limits)) == expected
