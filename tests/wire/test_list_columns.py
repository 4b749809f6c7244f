"""Lists that are read by columns have the values, and the refusals, of the general way."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.errors import Fault, MalformedInput, ValidationError
from daypass.wire.branches import MAX_DEPTH
from daypass.wire.constraints import compile_column_check, rules_of
from daypass.wire.list_columns import ListLayouts
from daypass.wire.model import SERVICES, Shape, load_service
from daypass.wire.request_shapes import compile_general_input, compile_input

Parse = Callable[[dict[str, str]], dict[str, Any]]

_MODELS = {service: load_service(service) for service in SERVICES}
_INPUTS = [
    ("sts", "AssumeRoleRequest"),
    ("sts", "GetFederationTokenRequest"),
    ("sts", "GetWebIdentityTokenRequest"),
    ("iam", "CreateUserRequest"),
    ("iam", "TagRoleRequest"),
]
_PARSERS = {
    (service, name): (
        compile_input(_MODELS[service].shapes, name),
        compile_general_input(_MODELS[service].shapes, name),
    )
    for service, name in _INPUTS
}
_ASSUME_ROLE = ("sts", "AssumeRoleRequest")
_BASE = {
    "Action": "AssumeRole",
    "Version": "2011-06-15",
    "RoleArn": "arn:aws:iam::123456789012:role/r",
    "RoleSessionName": "me",
}


def _tags(count: int) -> dict[str, str]:
    return {
        f"Tags.member.{number}.{member}": f"{member[0]}{number}"
        for number in range(1, count + 1)
        for member in ("Key", "Value")
    }


def _outcome(parse: Parse, params: dict[str, str]) -> Any:
    """Return the values with their order, or the refusal."""
    try:
        values = parse(dict(params))
    except Fault as fault:
        return type(fault), fault.message, fault.detail
    return list(values.items()), [list(tag) for tag in values.get("Tags", ())]


def _assert_equal(params: dict[str, str], which: tuple[str, str] = _ASSUME_ROLE) -> Any:
    fast, general = _PARSERS[which]
    expected = _outcome(general, params)
    assert _outcome(fast, params) == expected
    assert _outcome(fast, params) == expected  # with the kept layout
    return expected


def _has_layout(params: dict[str, str]) -> bool:
    return ListLayouts(_MODELS["sts"].shapes, "AssumeRoleRequest").find(params) is not None


_PARTS = st.sampled_from(
    ["1", "2", "3", "10", "01", "0", "-1", "x", "", "99999999999", "member", "Key", "Value", "key", "Foo", "arn"]
)
_NAMES = st.one_of(
    st.builds(
        lambda index, member: f"Tags.member.{index}.{member}", st.integers(1, 12), st.sampled_from(["Key", "Value"])
    ),
    st.builds(lambda index: f"PolicyArns.member.{index}.arn", st.integers(1, 4)),
    st.builds(lambda index: f"TransitiveTagKeys.member.{index}", st.integers(1, 4)),
    st.lists(_PARTS, max_size=5).map(lambda parts: ".".join(["Tags", *parts])),
    st.sampled_from(["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "UserName", "RoleName", "Name"]),
)
_VALUES = st.one_of(
    st.sampled_from(["", "k", "v", "900", "x" * 128, "x" * 129, "x" * 256, "x" * 257, "a<b", "é", "\x00", " ", "*"]),
    st.text(max_size=3),
)


@settings(max_examples=150)
@given(
    which=st.sampled_from(_INPUTS),
    tags=st.integers(0, 52),
    extra=st.dictionaries(_NAMES, _VALUES, max_size=8),
    left_out=st.integers(0, 10),
)
def test_both_ways_read_the_same(which: tuple[str, str], tags: int, extra: dict[str, str], left_out: int) -> None:
    """Any names and values, in any order, around well-formed lists."""
    params = {**_BASE, **_tags(tags), **extra}
    if left_out > 5 and tags:
        params.pop(f"Tags.member.{tags}.Value", None)
    _assert_equal(params, which)


@pytest.mark.parametrize("count", [4, 5, 49, 50, 51, 78, 79])
def test_many_tags_are_read(count: int) -> None:
    """The number of tags has its limit, below the one of a layout."""
    outcome = _assert_equal({**_BASE, **_tags(count)})
    assert (outcome[0] is ValidationError) is (count > 50)


def test_the_layout_is_kept_and_values_are_not() -> None:
    """Requests with the same names have their own values."""
    parse, _ = _PARSERS[_ASSUME_ROLE]
    first = parse({**_BASE, **_tags(20)})
    second = parse({**_BASE, **dict.fromkeys(_tags(20), "other")})
    assert first["Tags"][7] == {"Key": "K8", "Value": "V8"}
    assert second["Tags"] == [{"Key": "other", "Value": "other"}] * 20


def test_elements_are_ordered_by_their_numbers() -> None:
    """The order of the parameters has no influence, and gaps are allowed."""
    params = {
        **dict(reversed(_tags(12).items())),
        **_BASE,
        "Tags.member.1000.Key": "last",
        "Tags.member.1000.Value": "",
    }
    assert _has_layout(params)
    outcome = _assert_equal(params)
    assert [tag["Key"] for tag in dict(outcome[0])["Tags"]] == [f"K{number}" for number in range(1, 13)] + ["last"]


@pytest.mark.parametrize(
    "change",
    [
        {"Tags": ""},
        {"Tags": "x"},
        {"Tags.member": ""},
        {"Tags.member.": "x"},
        {"Tags.member.01.Key": "x"},
        {"Tags.member.0.Key": "x"},
        {"Tags.member.12345678901.Key": "x"},
        {"Tags.member.x.Key": "x"},
        {"Tags.member.1.Key.x": "x"},
        {"Tags.member.1": "x"},
        {"Tags.member.1.Foo": "x"},
        {"Tags.1.Key": "x"},
        {"Tags.Member.1.Key": "x"},
        {"Tags.member.99.Value": "x"},  # an element without its required Key
        {"PolicyArns": "x"},
        {"PolicyArns.member.1": "x"},
        {"Tags.member." + "1." * MAX_DEPTH: "x"},
        {"x" * 200: ""},
    ],
)
def test_an_unusual_name_takes_the_general_way(change: dict[str, str]) -> None:
    """A name of another form in one list, and a very long name, have no influence on the result."""
    params = {**_BASE, **_tags(12), **change}
    assert not _has_layout(params) or max(map(len, params)) > 64
    _assert_equal(params)
    _assert_equal({**change, **params})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Tags.member.3.Key", ""),
        ("Tags.member.3.Key", "x" * 129),
        ("Tags.member.3.Key", "<"),
        ("Tags.member.3.Value", "x" * 257),
        ("Tags.member.3.Value", "\n"),
        ("RoleArn", ""),
        ("RoleSessionName", "a b"),
        ("DurationSeconds", "1"),
        ("DurationSeconds", "x"),
        ("PolicyArns.member.1.arn", "short"),
        ("TransitiveTagKeys.member.1", ""),
    ],
)
def test_a_violated_constraint_is_reported_as_ever(name: str, value: str) -> None:
    """The report has all violations in the general order."""
    params = {**_BASE, **_tags(12), name: value}
    assert _assert_equal(params)[0] in {ValidationError, MalformedInput}
    del params["RoleArn"]
    assert _assert_equal(params)[0] in {ValidationError, MalformedInput}


_STRINGS = [
    shape
    for model in _MODELS.values()
    for shape in model.shapes.values()
    if shape.type == "string" and (shape.pattern or shape.enum)
]


@given(
    shape=st.sampled_from(_STRINGS),
    column=st.lists(
        st.text("aZ09_-./:=+@ ^$[]\\{}\t\n\x7f\xa0\xe9\u2028\u0660\ud7ff\U0001f600", max_size=4), min_size=1, max_size=5
    ),
)
@settings(max_examples=500)
def test_a_column_is_valid_if_each_of_its_strings_is(shape: Shape, column: list[str]) -> None:
    """For the patterns of one set of characters, which all strings are matched with at once, and for all others."""
    each = all(rule.holds(value) for value in column for rule in rules_of(shape))
    assert compile_column_check(shape)(column) == bool(each)


def test_hostile_names_do_not_grow_the_layouts() -> None:
    """A client that sends other names each time replaces layouts, and very long names are not kept."""
    layouts = ListLayouts(_MODELS["sts"].shapes, "AssumeRoleRequest")
    for number in range(200):
        assert layouts.find({**_BASE, **_tags(12), f"Tags.member.{number + 100}.Key": "k", f"x{number}": ""}) is None
        assert layouts.find({**_BASE, **_tags(12), "y" * (65 + number): ""}) is not None
    assert len(layouts) <= 32
