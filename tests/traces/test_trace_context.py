"""The headers of a caller's trace are data of a stranger: valid ones are read, and all others are ignored."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import TraceState

from daypass.traces.flag_budget import FlagBudget
from daypass.traces.trace_context import RemoteParent, find_parent

_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_VALID = f"00-{_TRACE}-{_SPAN}-01".encode()
_PARENT = RemoteParent(int(_TRACE, 16), int(_SPAN, 16), 1)
_ANY = st.one_of(st.binary(max_size=600), st.text("0123456789abcdefgF-, =;@\t", max_size=120).map(str.encode))


@pytest.mark.parametrize(
    "value", [_VALID, b" " + _VALID + b"\t", _VALID.replace(b"00-", b"01-", 1), b"cc" + _VALID[2:] + b"-later"]
)
def test_a_valid_parent_is_read(value: bytes) -> None:
    """A later version may have more members (section 3.2.4)."""
    assert find_parent([(b"host", b"x"), (b"traceparent", value)]) == _PARENT


@pytest.mark.parametrize(
    "value",
    [
        b"",
        _VALID.upper(),
        _VALID + b"-more",
        _VALID + b"-",
        b"ff" + _VALID[2:],
        _VALID.replace(_TRACE.encode(), b"0" * 32),
        _VALID.replace(_SPAN.encode(), b"0" * 16),
        _VALID[:-1],
        _VALID + b"\n",
        b"01" + _VALID[2:] + b"-" + b"x" * 512,
    ],
)
def test_a_malformed_parent_is_ignored(value: bytes) -> None:
    """So is its state."""
    assert find_parent([(b"traceparent", value), (b"tracestate", b"a=1")]) is None


def test_two_parents_are_ignored() -> None:
    """They could name two traces."""
    assert find_parent([(b"traceparent", _VALID), (b"traceparent", _VALID)]) is None


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ([b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ([b"a=1", b" b=2 ,", b"t@v=x y"], "a=1,b=2,t@v=x y"),
        ([b"a=1,a=2"], ""),
        ([b"A=1"], ""),
        ([b"a=1;b"], "a=1;b"),
        ([b"a=\x01"], ""),
        ([b"a=1\r\nx: y"], ""),
        ([b",".join(b"k%d=1" % number for number in range(33))], ""),
        ([b"a=" + b"x" * 256, b"b=" + b"x" * 256], ""),
    ],
)
def test_a_malformed_state_is_ignored_alone(values: list[bytes], state: str) -> None:
    """At most 512 bytes and 32 members, each key once (section 3.3)."""
    found = find_parent([(b"traceparent", _VALID), *((b"tracestate", value) for value in values)])
    assert found == RemoteParent(_PARENT.trace_id, _PARENT.span_id, 1, state)


@given(parents=st.lists(_ANY, max_size=2), states=st.lists(_ANY, max_size=3))
def test_any_headers_are_read_or_ignored(parents: list[bytes], states: list[bytes]) -> None:
    """Nothing raises, and OpenTelemetry takes each state that is read as it is."""
    headers = [*((b"traceparent", value) for value in parents), *((b"tracestate", value) for value in states)]
    found = find_parent(headers)
    if found is not None:
        assert len(parents) == 1
        assert re.match(rb"\s*[0-9a-f]{2}-%032x-%016x-%02x" % (found.trace_id, found.span_id, found.flags), parents[0])
        assert TraceState.from_header([found.state]).to_header() == found.state


@given(state=st.lists(st.from_regex(r"[a-z][a-z0-9_*/-]{0,8}=[!-+\--<>-~]{1,8}", fullmatch=True), max_size=5))
def test_every_valid_state_is_kept(state: list[str]) -> None:
    """Its order is that of the caller."""
    unique = list({each.partition("=")[0]: each for each in state}.values())
    found = find_parent([(b"traceparent", _VALID), (b"tracestate", ",".join(unique).encode())])
    assert found is not None
    assert found.state == ",".join(unique)


def test_the_flags_of_callers_have_a_limit() -> None:
    """An account cannot use the share of another, and the next second begins anew."""
    now = 100.0
    budget = FlagBudget(2, 3, lambda: now)
    assert [budget.take("a") for _ in range(3)] == [True, True, False]
    assert [budget.take("b") for _ in range(2)] == [True, False]
    now = 100.999
    assert not budget.take("c")
    now = 101.0
    assert budget.take("a")
