"""The check of parameter names refuses parameters that are not read."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daypass.errors import MalformedInput, ValidationError
from daypass.wire.catalog import Catalog
from daypass.wire.supported import PROTOCOL, Declared

STS, IAM = "2011-06-15", "2010-05-08"
TAGS: Declared = {"RoleArn": {}, "Tags": {"Key": {}, "Value": {}}, "TransitiveTagKeys": {}}


def check(catalog: Catalog, declared: Declared | None, **params: str) -> None:
    """Check parameters of AssumeRole. Two underscores represent a dot."""
    supported = catalog.find("AssumeRole", STS).compile_supported(declared)
    supported({name.replace("__", "."): text for name, text in params.items()})


def refusal(catalog: Catalog, declared: Declared | None, **params: str) -> str:
    """Return the message of the refusal."""
    with pytest.raises(ValidationError) as caught:
        check(catalog, declared, **params)
    return caught.value.message


def test_declared_members_may_be_sent(catalog: Catalog) -> None:
    """Declared members may be nested, and a list may be empty."""
    check(catalog, TAGS, RoleArn="x", Tags__member__1__Key="k", Tags__member__1__Value="v")
    check(catalog, TAGS, Tags="", TransitiveTagKeys__member__1="k")
    check(catalog, TAGS)


@pytest.mark.parametrize("name", [*sorted(PROTOCOL), "X-Amz-Signature", "x-amz-date", "X-Amz-Security-Token"])
def test_protocol_parameters_may_be_sent(catalog: Catalog, name: str) -> None:
    """A presigned URL has its signature among the parameters."""
    catalog.find("GetCallerIdentity", STS).compile_supported({})({name: "x"})


def test_a_member_of_the_model_that_is_not_declared_is_refused(catalog: Catalog) -> None:
    """An empty one is refused too, because its meaning is unknown."""
    assert refusal(catalog, TAGS, Policy="{}") == "Policy is not supported by this server."
    assert refusal(catalog, TAGS, Policy="") == "Policy is not supported by this server."
    assert refusal(catalog, TAGS, ProvidedContexts="") == "ProvidedContexts is not supported by this server."


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("RoleArm", "RoleArm"),
        ("rolearn", "rolearn"),
        ("RoleArn__More", "RoleArn.More"),
        ("Tags__member__1__Scope", "Tags.member.1.Scope"),
        ("Tags__member__1__Scope__Deeper__member__7", "Tags.member.1.Scope"),
        ("Tags__member__1__Key__More", "Tags.member.1.Key.More"),
        ("TransitiveTagKeys__member__1__More", "TransitiveTagKeys.member.1.More"),
        ("A__B__C__D__E__F__G__H__I__J__K__L__M", "A"),
        ("XAmzDate", "XAmzDate"),
    ],
)
def test_a_name_that_the_model_does_not_know_is_refused(catalog: Catalog, name: str, named: str) -> None:
    """A newer client may use an unknown parameter to restrict access."""
    for declared in (TAGS, None):
        assert refusal(catalog, declared, **{name: "x"}) == f"{named} is not supported by this server."


def test_a_nested_member_is_declared_by_itself(catalog: Catalog) -> None:
    """An operation that reads a structure may not read all of its members."""
    assert refusal(catalog, {"Tags": {"Key": {}}}, Tags__member__1__Key="k", Tags__member__1__Value="v") == (
        "Tags.member.1.Value is not supported by this server."
    )


def test_every_refused_name_is_named_up_to_a_bound(catalog: Catalog) -> None:
    """Each name is in its own sentence, and long names are cut."""
    words = refusal(catalog, TAGS, Policy="x", Scope="y")
    assert words == "Policy is not supported by this server. Scope is not supported by this server."
    words = refusal(catalog, TAGS, **{f"Member{number}{'x' * 999}": "" for number in range(4000)})
    assert len(words) < 3000
    assert words.endswith("3990 more parameters are not supported.")


@pytest.mark.parametrize(
    "params",
    [
        {"Tags__1__Key": "k"},
        {"Tags__Member__1__Key": "k", "Tags__member__1__Key": "k"},
        {"Tags": "k", "Tags__member__1__Key": "k"},
        {"Tags__member": "k", "Tags__member__1__Key": "k"},
        {"Tags__member__1": "k", "Tags__member__1__Key": "k"},
    ],
)
def test_what_is_spelled_as_no_list_is_malformed(catalog: Catalog, params: dict[str, str]) -> None:
    """Beside a well-formed list it would otherwise be ignored silently."""
    with pytest.raises(MalformedInput):
        check(catalog, TAGS, **params)


def test_members_of_maps_are_checked(catalog: Catalog) -> None:
    """An entry of a map has only a key and a value."""
    supported = catalog.find("PutAccountProperties", IAM).compile_supported({"Properties": {}})
    supported({"Properties.entry.1.key": "k", "Properties.entry.1.value": "v"})
    for name in ("Properties.entry.1.scope", "Properties.member.1.key", "Properties.entry.1"):
        with pytest.raises(MalformedInput):
            supported({name: "x", "Properties.entry.1.key": "k"})
    with pytest.raises(ValidationError):
        supported({"Properties.entry.1.value.Scope": "x"})


_NAMES = st.one_of(
    st.sampled_from(
        [
            "RoleArn",
            "Policy",
            "Tags",
            "Version",
            "x-amz-date",
            "",
            "Tags.member.1",
            "Tags.member",
            "Tags.member.1.Key.x",
        ]
    ),
    st.builds(
        lambda start, index, end: f"{start}.{index}.{end}",
        st.sampled_from(["Tags.member", "Tags", "TransitiveTagKeys.member", "Policy.member"]),
        st.sampled_from(["1", "2", "01", "x", "9" * 200]),
        st.sampled_from(["Key", "Value", "Scope", ""]),
    ),
)


@given(requests=st.lists(st.dictionaries(_NAMES, st.sampled_from(["", "v"]), max_size=5), max_size=4))
@settings(max_examples=80, deadline=None)
def test_names_that_were_accepted_before_change_nothing(catalog: Catalog, requests: list[dict[str, str]]) -> None:
    """A check that has seen other requests decides as a new one does."""
    model = catalog.find("AssumeRole", STS)
    used = model.compile_supported(TAGS)
    for params in requests * 2:
        assert _outcome(used, params) == _outcome(model.compile_supported(TAGS), params)


def _outcome(check_names: Callable[[dict[str, str]], None], params: dict[str, str]) -> tuple[str, ...]:
    try:
        check_names(params)
    except (ValidationError, MalformedInput) as refused:
        return refused.code, refused.message, refused.detail
    return ()
