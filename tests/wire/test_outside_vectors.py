"""The published test cases of the Query protocol, parsed with our shapes."""

from typing import Any

import pytest
from msgspec import convert, json
from tests.components import find_vector_paths

from daypass.wire.form import read_form
from daypass.wire.model import Shape
from daypass.wire.request_shapes import compile_input

# STS and IAM do not use these: other types, work of the client, other time formats, recursion.
NOT_OURS = {"double", "float", "long"}
CLIENT_SIDE = {
    "SDKAppliedContentEncoding_awsQuery",
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery",
    "QueryProtocolIdempotencyTokenAutoFill",
}
OTHER_SHAPES = {"QueryTimestampsInput", "NestedStructures"}


def cases() -> list[Any]:
    """Return the cases that apply to STS and IAM."""
    found = find_vector_paths("protocols/input/query.json", "query/input.json")
    if not found:
        return [None]  # One test that is skipped with the reason.
    return [
        pytest.param((suite["shapes"], case), id=case["id"])
        for suite in json.decode(found[0].read_bytes())
        for case in suite["cases"]
        if "input" in case["given"] and case["id"] not in CLIENT_SIDE | OTHER_SHAPES
    ]


@pytest.mark.component("vectors")
@pytest.mark.parametrize("vector", cases())
def test_published_cases_are_read(vector: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Lists, flattened lists, maps, nested structures and renamed members."""
    raw_shapes, case = vector
    shapes = convert(raw_shapes, dict[str, Shape])
    name = case["given"]["input"]["shape"]
    used = {shapes[ref.shape].type for ref in shapes[name].members.values()}
    if used & NOT_OURS:
        names = [member for member, ref in shapes[name].members.items() if shapes[ref.shape].type not in NOT_OURS]
        kept = {member: shapes[name].members[member] for member in names}
        shapes[name] = Shape(type="structure", members=kept)
        case["params"] = {member: value for member, value in case["params"].items() if member in names}
    params = read_form(case["serialized"]["body"].encode())
    assert compile_input(shapes, name)(params) == _given(shapes, shapes[name], case["params"])


def _given(shapes: dict[str, Shape], shape: Shape, value: Any) -> Any:
    """Return a case's value in our types: blobs as bytes, without members that the client omits."""
    if shape.type == "structure":
        parts = {
            name: _given(shapes, shapes[ref.shape], value[name])
            for name, ref in shape.members.items()
            if value.get(name) is not None
        }
        return {name: part for name, part in parts.items() if part != {}}
    return value.encode() if shape.type == "blob" else value
