"""The line of a usual event, which is joined from parts, has the bytes of the general way."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.wire.shapes import inputs

from daypass import errors
from daypass.audit.event import HIDDEN, AuditRecord, DataEvent
from daypass.audit.joined_lines import encode_parameters, join_line
from daypass.audit.lines import encode_line, to_line
from daypass.audit.sinks import open_sink
from daypass.authenticate.caller import Caller, root_caller
from daypass.errors import AccessDenied, Fault
from daypass.operations.operation import StoreAccess
from daypass.operations.parsed_requests import ParsedRequest, ParsedRequestCache
from daypass.operations.registry import full_registry
from daypass.policy.authorization_request import Principal, PrincipalKind
from daypass.wire.catalog import Catalog
from daypass.wire.decode import decode
from daypass.wire.http import HttpRequest
from daypass.wire.model import SERVICES, load_service

_ACCOUNT = "123456789012"
_AT = datetime(2026, 11, 1, 12, 0, 0, 999_999, tzinfo=UTC)
_MODELS = {service: load_service(service) for service in SERVICES}
_ACTIONS = [(service, action) for service, model in _MODELS.items() for action in model.operations]
_FAULTS = [
    each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Fault) and each is not Fault
]
_TEXT = st.one_of(
    st.text(max_size=20), st.sampled_from(["", '"', "\\", "\x00\x1f", "\x7f", "\x9b", "é", "\u2028", "😀", "x" * 600])
)
_CALLERS = st.builds(
    lambda kind, name, key: Caller(
        _ACCOUNT, f"arn:{name}", name, key, Principal(kind=kind, account=_ACCOUNT, arn=f"arn:{name}", unique_id=name)
    ),
    st.sampled_from(PrincipalKind),
    _TEXT,
    st.sampled_from(["", "AKIAIOSFODNN7EXAMPLE", '"AKIA"', "é"]),
)


def _record(**changed: Any) -> AuditRecord:
    headers = changed.pop("headers", ((b"user-agent", b"aws-cli/2"),))
    request = HttpRequest("POST", b"/", b"", headers, b"", changed.pop("peer", "192.0.2.1"), secure=False)
    caller = root_caller(_ACCOUNT, "AKIAIOSFODNN7EXAMPLE")
    plain = AuditRecord(_AT, "id", request, "sts", "AssumeRole", "us-east-1", caller.access_key_id, caller, None, None)
    return msgspec.structs.replace(plain, **changed)


def _general(record: AuditRecord) -> bytes:
    return encode_line(msgspec.structs.replace(record, encoded_parameters=None), "event")


@settings(max_examples=120, deadline=None)
@given(
    seconds=st.integers(0, 10**9),
    request_id=_TEXT,
    agent=st.one_of(st.none(), st.binary(max_size=20), st.sampled_from([b"a" * 255, b"\x9b" * 255, b"a" * 600])),
    peer=st.one_of(_TEXT, st.sampled_from(["2001:db8::1", "x" * 64, "x" * 65])),
    service=st.sampled_from(["sts", "iam", "s3", "sso", "", "other"]),
    action=_TEXT,
    region=_TEXT,
    caller=_CALLERS,
    parameters=st.dictionaries(st.text(min_size=1, max_size=5), _TEXT, max_size=3),
)
def test_any_values_give_the_same_bytes(
    *,
    seconds: int,
    request_id: str,
    agent: bytes | None,
    peer: str,
    service: str,
    action: str,
    region: str,
    caller: Caller,
    parameters: dict[str, str],
) -> None:
    """A joined line is the general line, for values with and without escapes."""
    record = _record(
        at=datetime.fromtimestamp(seconds, UTC),
        request_id=request_id,
        headers=() if agent is None else ((b"user-agent", agent),),
        peer=peer,
        service=service,
        action=action,
        region=region,
        caller=caller,
        parameters=parameters,
        encoded_parameters=encode_parameters(parameters),
    )
    for _ in range(2):  # the second time with the kept parts
        assert join_line(record, "event") in {None, _general(record)}
        assert to_line(record, "event") == _general(record)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), which=st.sampled_from(_ACTIONS))
def test_each_operation_is_recorded_alike(data: st.DataObject, which: tuple[str, str]) -> None:
    """The parameters of every operation, once encoded and once not."""
    service, action = which
    shape = _MODELS[service].operations[action].input
    parameters = data.draw(inputs(_MODELS[service].shapes, shape.shape)) if shape else {}
    record = _record(service=service, action=action, parameters=parameters)
    for each in (record, msgspec.structs.replace(record, encoded_parameters=encode_parameters(parameters))):
        assert to_line(each, "event") == _general(each)
    assert (join_line(record, "event") is not None) is (not parameters)


@pytest.mark.parametrize("is_known", [True, False])
def test_each_fault_is_recorded_alike(*, is_known: bool) -> None:
    """A refusal takes the general way."""
    caller = root_caller(_ACCOUNT, "AKIAIOSFODNN7EXAMPLE") if is_known else None
    parameters = {"RoleArn": "arn:aws:iam::123456789012:role/r", "WebIdentityToken": "secret"}
    encoded = encode_parameters(parameters)
    record = _record(caller=caller, parameters=parameters, encoded_parameters=encoded)
    for each in _FAULTS:
        refused = msgspec.structs.replace(record, fault=each("message", detail="detail"))
        assert join_line(refused, "event") is None
        assert to_line(refused, "event") == _general(refused)
        assert b"secret" not in to_line(refused, "event")


@pytest.mark.parametrize(
    "change",
    [
        {"caller": None},
        {"sign_in": {"session": "é"}},
        {"sign_in": {"session": "x" * 1_025}},
        {"sign_in": {"session": "x"}, "parameters": {"DurationSeconds": 900}},
        {"sign_in": {"session": "x"}, "parameters": {"RoleArn": "x" * 1_025}},
        {"sign_in": {"session": "x"}, "fault": AccessDenied("no")},
        {"data": DataEvent(None, read_only=True)},
        {"fault": AccessDenied("no")},
        {"parameters": {"RoleArn": "x"}},
        {"headers": ((b"user-agent", b"a" * 513),)},
        {"peer": "x" * 65},
        {"parameters": {"RoleArn": "é"}, "encoded_parameters": encode_parameters({"RoleArn": "é"})},
        {"request_id": "\x7f"},
        {"action": "x" * 5_000},
    ],
    ids=repr,
)
def test_an_unusual_event_takes_the_general_way(change: dict[str, Any]) -> None:
    """It needs an escape, a cut, or a part that a usual event lacks."""
    record = _record(**change)
    assert join_line(_record(), "event") is not None
    assert join_line(record, "event") is None
    assert to_line(record, "event") == _general(record)


@settings(max_examples=120, deadline=None)
@given(
    sign_in=st.dictionaries(st.sampled_from(["SignInId", "SignInTime", "SignInEvent"]), _TEXT, max_size=3),
    parameters=st.one_of(
        st.none(),
        st.dictionaries(
            st.sampled_from(["RoleArn", "accountId", "WebIdentityToken", "é"]),
            st.one_of(_TEXT, st.integers(0, 2), st.booleans(), st.lists(_TEXT, max_size=2)),
            max_size=3,
        ),
    ),
    caller=st.one_of(st.none(), _CALLERS),
    key=_TEXT,
)
def test_the_call_of_a_person_is_recorded_alike(
    *, sign_in: dict[str, str], parameters: dict[str, Any] | None, caller: Caller | None, key: str
) -> None:
    """A joined line is the general line, with and without the caller of the role."""
    record = _record(sign_in=sign_in, parameters=parameters, caller=caller, access_key_id=key)
    for _ in range(2):  # the second time with the kept parts
        assert join_line(record, "event") in {None, _general(record)}
        assert to_line(record, "event") == _general(record)


def test_the_call_of_a_person_is_joined() -> None:
    """Secrets among its parameters are hidden, and its event has no part of another sign-in."""
    first, second = [
        _record(caller=None, access_key_id="", sign_in={"SignInId": name}, parameters={"RoleArn": name, "Policy": "{}"})
        for name in ("one", "two")
    ]
    for record in (first, second, first):
        assert join_line(record, "event") == _general(record)
    assert b"HIDDEN_DUE" in to_line(first, "event")


def test_equal_parameters_of_another_type_are_written_apart() -> None:
    """True equals 1, and is written differently."""
    for value, written in ((1, b'"n":1}'), (True, b'"n":true}'), ("1", b'"n":"1"}')):
        assert written in to_line(_record(sign_in={"SignInId": "x"}, parameters={"n": value}), "event")


def test_a_lone_surrogate_is_left_to_the_general_way() -> None:
    """It cannot be encoded, so the event is written in part."""
    record = _record(access_key_id="\ud800", parameters={"RoleArn": "\ud800"}, encoded_parameters=None)
    assert to_line(record, "event") == _general(record)
    assert b"could not be written" not in to_line(record, "event")
    with pytest.raises(UnicodeEncodeError):
        join_line(_record(request_id="\ud800"), "event")


def test_parameters_are_encoded_as_an_event_has_them() -> None:
    """Secrets are hidden, long strings are cut, and what does not fit is left to the general way."""
    assert encode_parameters({}) is None
    assert encode_parameters({"RoleArn": "\ud800"}) is None
    assert encode_parameters({f"Name{number}": "x" * 256 for number in range(20)}) is None
    assert encode_parameters({"Policy": "{}", "ExternalId": "x" * 300}) == (
        b'{"policy":"HIDDEN_DUE_TO_SECURITY_REASONS","externalId":"' + b"x" * 256 + "…".encode() + b'"}'
    )


_CATALOG, _REGISTRY = Catalog.load(), full_registry()
_FORM = ((b"content-type", b"application/x-www-form-urlencoded"),)
_ROLE = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr&RoleSessionName={}"
_TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhIiwic3ViIjoiYiJ9.AA"
_TAG = "&Tags.member.1.Key=roleSessionName&Tags.member.1.Value=roleSessionName%3A"


@pytest.mark.parametrize("session_name", ["ab", "x" * 64, "a.b_c-D", "roleSessionName"])
@pytest.mark.parametrize(
    "form",
    [
        _ROLE,
        _ROLE + "&ExternalId=roleSessionName" + _TAG,
        "Action=AssumeRole" + _TAG + _ROLE.removeprefix("Action=AssumeRole"),
        _ROLE.replace("AssumeRole", "AssumeRoleWithWebIdentity") + f"&WebIdentityToken={_TOKEN}&DurationSeconds=900",
        "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900",
        "Action=GetCallerIdentity&Version=2011-06-15",
    ],
)
def test_a_remembered_form_is_recorded_alike(form: str, session_name: str) -> None:
    """The parameters of a remembered request, with its own session name, give the bytes of the general way."""
    cache = ParsedRequestCache(HIDDEN, encode_parameters)
    first, second = [
        HttpRequest("POST", b"/", b"", _FORM, form.format(name).encode(), "192.0.2.1", secure=False)
        for name in ("first", session_name)
    ]
    call = decode(first, _CATALOG)
    operation = _REGISTRY.find(call.service, call.action)
    parameters = call.model.parse(call.form_params)
    params = operation.parse(parameters)
    assert operation.store_access(params) is StoreAccess.CACHE
    parsed = ParsedRequest(call, operation, parameters, params)
    cache.keep(first, parsed)
    encoded = cache.keep(first, parsed)  # only a form that comes again has an entry
    if encoded is not None:
        record = _record(action=call.action, parameters=parameters, encoded_parameters=encoded)
        assert join_line(record, "event") == _general(record)
    found = cache.find(second)
    assert found is not None
    record = _record(action=call.action, parameters=found.parameters, encoded_parameters=found.encoded_parameters)
    assert join_line(record, "event") == _general(record)
    event = json.loads(to_line(record, "event"))
    assert (event["requestParameters"] or {}).get("roleSessionName", session_name) == session_name


def test_lines_of_both_kinds_are_written_in_order(tmp_path: Path) -> None:
    """Usual and other events share one queue, and each has an id of its own."""
    sink = open_sink(str(tmp_path / "audit"))
    for number in range(50):
        at = _AT + timedelta(seconds=number)
        sink(_record(at=at, fault=AccessDenied("no") if number % 3 else None))
    sink.close()
    events = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert [event["eventTime"] for event in events] == sorted(event["eventTime"] for event in events)
    assert len({event["eventID"] for event in events}) == len(events) == 50
