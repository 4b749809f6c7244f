"""The fast writer of XML answers writes the same bytes as the general one, or leaves the answer to it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.shapes import outputs

from daypass.wire.catalog import Catalog
from daypass.wire.model import SERVICES, ServiceModel, load_service
from daypass.wire.operation import OperationModel
from daypass.wire.response_shapes import compile_output, xml, xml_milliseconds, xml_seconds
from daypass.wire.safe_text import xml_text
from daypass.wire.unescaped_xml import NOT_WRITTEN, compile_unescaped

_AROUND = ('<R xmlns="https://n/"><r>', "</r><ResponseMetadata><RequestId>", "</RequestId></ResponseMetadata></R>")
_MODELS = {service: load_service(service) for service in SERVICES}
_SHAPES = [
    (service, operation.output.shape)
    for service, model in _MODELS.items()
    for operation in model.operations.values()
    if operation.output
]
_CALLER = {"UserId": "AIDA", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/a"}
_USER = {"Path": "/", "UserName": "a", "UserId": "AIDA", "Arn": "arn", "CreateDate": datetime(2030, 1, 1, tzinfo=UTC)}


def _old(model: ServiceModel, shape: str, result: Mapping[str, Any], *, precise: bool = False) -> bytes:
    write = compile_output(model.shapes, shape, xml(xml_milliseconds if precise else xml_seconds))
    start, middle, end = _AROUND
    return f"{start}{write(result)}{middle}{xml_text('id')}{end}".encode()


@settings(max_examples=150)
@given(data=st.data(), which=st.sampled_from(_SHAPES), precise=st.booleans(), plain=st.booleans())
def test_both_writers_write_the_same_bytes(
    data: st.DataObject, which: tuple[str, str], *, precise: bool, plain: bool
) -> None:
    """Every output shape of both services, with values of any kind and with values that need no escapes."""
    service, shape = which
    model = _MODELS[service]
    result = data.draw(outputs(model.shapes, shape))
    result = _plain(result) if plain else result
    fast = compile_unescaped(model.shapes, shape, xml_milliseconds if precise else xml_seconds, _AROUND)
    for _ in range(2):  # the second time with the kept plans
        try:
            written = fast(result, "id")
        except NOT_WRITTEN:
            assert not plain, "an answer without special characters is written by the fast way"
        else:
            assert written == _old(model, shape, result, precise=precise)


def _plain(value: Any) -> Any:
    """Return a value whose strings need no escapes."""
    if isinstance(value, str):
        return "".join(
            [letter if letter.isascii() and (letter.isalnum() or letter in " /\t\n=%") else "x" for letter in value]
        )
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {_plain(name): _plain(each) for name, each in value.items()}
    return value


_ODD = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA1), 0x2028, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x10FFFF)]


@pytest.mark.parametrize("letter", [*map(chr, range(0x20, 0x7F)), *_ODD], ids=lambda letter: f"{ord(letter):x}")
def test_each_character_is_written_as_before(catalog: Catalog, letter: str) -> None:
    """A character that needs an escape gets it, in a string alone and among others."""
    operation, model = catalog.find("GetCallerIdentity", "2011-06-15"), _MODELS["sts"]
    write = compile_output(model.shapes, "GetCallerIdentityResponse", xml(xml_seconds))
    for result in ({"Arn": letter}, {**_CALLER, "UserId": f"a{letter}b"}, {**_CALLER, "Arn": letter * 2}):
        if "\ud800" <= letter <= "\udfff":
            assert "\ufffd" in operation.render(result, "id").decode()
        assert write(result).encode() in operation.render(result, "id")


@pytest.mark.parametrize("request_id", ["<id>", "i&d", "é", "\r"])
def test_the_request_id_is_escaped(catalog: Catalog, request_id: str) -> None:
    """A request id is escaped like any string."""
    written = catalog.find("GetCallerIdentity", "2011-06-15").render(_CALLER, request_id)
    assert f"<RequestId>{xml_text(request_id)}</RequestId>".encode() in written


def test_markup_cannot_be_made_of_two_values(catalog: Catalog) -> None:
    """Markup that is missing in one place does not make up for markup in another."""
    hostile = {**_CALLER, "UserId": "<Arn>x</Arn>"}
    assert b"&lt;Arn&gt;x&lt;/Arn&gt;" in catalog.find("GetCallerIdentity", "2011-06-15").render(hostile, "id")


def test_members_that_are_none_are_left_out(catalog: Catalog) -> None:
    """None stands for an absent member in any place of any structure."""
    operation = catalog.find("GetUser", "2010-05-08")
    for name in _USER:
        without = {key: value for key, value in _USER.items() if key != name}
        assert operation.render({"User": {**_USER, name: None}}, "id") == operation.render({"User": without}, "id")
    assert operation.render({"User": None}, "id") == operation.render({}, "id")
    assert operation.render({"User": dict.fromkeys(_USER)}, "id") == operation.render({"User": {}}, "id")


_CREDENTIALS = {
    "AccessKeyId": "ASIA",
    "SecretAccessKey": "s/+",
    "SessionToken": "DPs1",
    "Expiration": datetime(2030, 1, 1, tzinfo=UTC),
}
_ASSUMED = {
    "Credentials": _CREDENTIALS,
    "AssumedRoleUser": {"AssumedRoleId": "AROA:a", "Arn": "arn"},
    "PackedPolicySize": 3,
    "SourceIdentity": "i",
}


@pytest.mark.parametrize("value", [None, "<&>", "é", 0, {}, {"Arn": None}, {"Arn": "<"}], ids=repr)
@pytest.mark.parametrize("name", _ASSUMED)
def test_a_structure_of_scalars_and_structures(name: str, value: Any) -> None:
    """Both writers agree on each value of each member, or the fast one leaves the answer to the general one."""
    model = _MODELS["sts"]
    fast = compile_unescaped(model.shapes, "AssumeRoleResponse", xml_seconds, _AROUND)
    assert fast(_ASSUMED, "id") == _old(model, "AssumeRoleResponse", _ASSUMED)
    result = {**_ASSUMED, name: value}
    try:
        written = fast(result, "id")
    except NOT_WRITTEN:
        assert value is not None
    else:
        assert written == _old(model, "AssumeRoleResponse", result)
    assert fast(_ASSUMED, "id") == _old(model, "AssumeRoleResponse", _ASSUMED), "no value stays in the plan"


def test_a_list_that_can_be_read_once_is_written(catalog: Catalog) -> None:
    """The fast way leaves an iterator to the general way before it reads it."""
    operation = catalog.find("ListUsers", "2010-05-08")

    def users() -> Iterator[Mapping[str, Any]]:
        yield _USER
        yield {**_USER, "UserName": "<"}

    assert operation.render({"Users": users()}, "id") == operation.render({"Users": list(users())}, "id")


@pytest.mark.parametrize(
    "odd",
    [
        {"UserName": "<b>"},
        {"UserName": None},
        {"CreateDate": None},
        {"PasswordLastUsed": datetime(2031, 1, 1, tzinfo=UTC)},
        {"Tags": [{"Key": "k", "Value": "v"}]},
        {},
    ],
    ids=repr,
)
@pytest.mark.parametrize("place", [0, 1, 6])
def test_one_element_of_a_list_that_differs(odd: Mapping[str, Any], place: int) -> None:
    """It has an escape, another member, or a member that is None."""
    model = _MODELS["iam"]
    users = [{**_USER, "UserName": f"user{number}"} for number in range(7)]
    users[place] = {**users[place], **odd}
    fast = compile_unescaped(model.shapes, "ListUsersResponse", xml_seconds, _AROUND)
    try:
        written = fast({"Users": users, "IsTruncated": False}, "id")
    except NOT_WRITTEN:
        assert odd.get("UserName")
    else:
        assert written == _old(model, "ListUsersResponse", {"Users": users, "IsTruncated": False})


@pytest.mark.parametrize("odd", [{"UserName": 1}, {"Usernam": "x"}, {"CreateDate": "x"}, {"CreateDate": 1}], ids=repr)
def test_one_element_of_a_list_that_does_not_fit_is_a_bug(catalog: Catalog, odd: Mapping[str, Any]) -> None:
    """The other elements do not hide it."""
    operation = catalog.find("ListUsers", "2010-05-08")
    with pytest.raises((ValueError, TypeError, AttributeError)):
        operation.render({"Users": [_USER, {**_USER, **odd}, _USER]}, "id")


def test_the_order_of_members_is_that_of_the_model(catalog: Catalog) -> None:
    """The result's order has no influence."""
    operation = catalog.find("GetCallerIdentity", "2011-06-15")
    assert operation.render(dict(reversed(_CALLER.items())), "id") == operation.render(_CALLER, "id")


@pytest.mark.parametrize(
    ("action", "result"),
    [
        ("GetCallerIdentity", {**_CALLER, "Accunt": "1"}),
        ("GetCallerIdentity", {**_CALLER, "Account": 1}),
        ("GetCallerIdentity", {**_CALLER, "Account": True}),
        ("GetCallerIdentity", {**_CALLER, "Account": b"1"}),
        ("GetCallerIdentity", {**_CALLER, "Account": ["1"]}),
        ("GetSessionToken", {"Credentials": {"AccessKeyId": "A", "Expiraton": "x"}}),
        ("GetSessionToken", {"Credentials": "A"}),
        ("GetSessionToken", {"Credentials": {"AccessKeyId": "A", "Expiration": "2030-01-01"}}),
    ],
)
def test_a_result_that_does_not_fit_its_shape_is_still_a_bug(
    catalog: Catalog, action: str, result: Mapping[str, Any]
) -> None:
    """The fast way refuses a wrong type among right ones, also after it has seen a right one."""
    operation = catalog.find(action, "2011-06-15")
    _write_right(operation)
    with pytest.raises((ValueError, TypeError, AttributeError)):
        operation.render(result, "id")


def _write_right(operation: OperationModel) -> None:
    right = {"AccessKeyId": "A", "Expiration": datetime(2030, 1, 1, tzinfo=UTC)}
    operation.render(_CALLER if operation.name == "GetCallerIdentity" else {"Credentials": right}, "id")
