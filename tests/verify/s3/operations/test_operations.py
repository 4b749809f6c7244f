"""The operations of the installed botocore: each is mapped or refused by name."""

import json
from itertools import chain

import pytest
from tests.verify import s3_operations

from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.routes import OPERATIONS, POST_OBJECT, PREFLIGHT, REFUSED, Level, find_operation
from daypass.verify.s3.permissions.actions import ACTIONS, BY_BODY, WITHOUT_PERMISSIONS

_MODEL = s3_operations.find_operations()
_KNOWN = json.loads(s3_operations.FILE.read_text(encoding="utf-8"))
_SELECTING = ("method", "level", "markers", "required_query", "required_headers")
_LEGACY = {name for name, reason in REFUSED.items() if "successor" in reason}
_ELSEWHERE = {*_LEGACY, "ListDirectoryBuckets", "WriteGetObjectResponse"}


def test_every_operation_of_the_model_is_mapped_or_refused_by_name() -> None:
    """A new operation needs a row in actions.py or in REFUSED.

    Then run `python -m tests.verify.s3_operations`.
    """
    decided = ACTIONS.keys() | REFUSED.keys() | BY_BODY
    assert sorted(_MODEL.keys() - decided) == []
    assert sorted(_MODEL.keys() - _KNOWN.keys()) == []


def test_the_file_selects_operations_as_the_model_does() -> None:
    """The route of an operation is that of the installed model."""
    for name, operation in _MODEL.items():
        expected = {key: operation[key] for key in _SELECTING if operation[key]}
        assert {key: _KNOWN[name][key] for key in _SELECTING if key in _KNOWN[name]} == expected, name


def test_an_operation_is_either_mapped_or_refused() -> None:
    """The tables do not overlap, and do not name an operation that does not exist."""
    assert not ACTIONS.keys() & (REFUSED.keys() | BY_BODY | WITHOUT_PERMISSIONS)
    assert ACTIONS.keys() | REFUSED.keys() | BY_BODY | WITHOUT_PERMISSIONS == OPERATIONS.keys()
    assert len(ACTIONS.keys() | BY_BODY) - len({POST_OBJECT}) == 94
    assert {PREFLIGHT} == WITHOUT_PERMISSIONS


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - _ELSEWHERE - {POST_OBJECT, PREFLIGHT}))
def test_the_smallest_request_of_an_operation_is_routed_to_it(name: str) -> None:
    """Markers, required members and headers select exactly one operation."""
    operation = OPERATIONS[name]
    query = {**dict(operation.markers), **dict.fromkeys(operation.required_query, "1")}
    headers = dict.fromkeys(operation.required_headers, b"bucket/key")
    if name in REFUSED:
        with pytest.raises(S3Error, match=f"NotImplemented: The operation {name} is not supported"):
            find_operation(operation.method, operation.level, query, headers)
    else:
        assert find_operation(operation.method, operation.level, query, headers).name == name
        everything = {**query, **{member: "1" for member in operation.query if member not in query}}
        chosen = find_operation(operation.method, operation.level, everything, headers).name
        assert chosen == name


def test_a_legacy_operation_has_the_route_of_its_successor() -> None:
    """The older operation cannot be requested apart from the newer one."""
    for name in _LEGACY:
        old = OPERATIONS[name]
        found = find_operation(old.method, old.level, dict(old.markers), {})
        assert found.name == f"{name}Configuration"


def test_every_pair_of_sub_resources_is_refused() -> None:
    """A request names one sub-resource: a store might choose the other one."""
    for level in (Level.BUCKET, Level.OBJECT):
        markers = sorted(
            {marker for row in OPERATIONS.values() if row.level is level for marker, value in row.markers if not value}
        )
        for method in ("GET", "PUT", "POST", "DELETE", "HEAD"):
            for first, second in chain(*([(a, b) for b in markers if b > a] for a in markers)):
                with pytest.raises(S3Error):
                    find_operation(method, level, {first: "", second: ""}, {})
