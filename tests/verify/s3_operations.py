"""Generate src/daypass/verify/s3/operations/operations.json from the S3 model of botocore.

Run `python -m tests.verify.s3_operations` after an update of botocore whose new operations are in actions.py or in
REFUSED of routes.py. The file has for each operation of the model:

- `method` and `level`: the level is service, bucket or object, by the path of the operation.
- `markers`: the query in the path of the operation, such as `acl` or `list-type=2`.
- `query` and `headers`: the other members by name on the wire. A header that ends in `*` is a prefix.
- `required_query` and `required_headers`: the members that select the operation, such as x-amz-copy-source.
"""

import json
from pathlib import Path
from typing import Any

import botocore.session

FILE = Path(__file__).parents[2] / "src/daypass/verify/s3/operations/operations.json"


def find_operations() -> dict[str, dict[str, Any]]:
    """Return every operation of the installed model."""
    model = botocore.session.get_session().get_service_model("s3")
    return {name: _describe(model.operation_model(name)) for name in model.operation_names}


def _describe(operation: Any) -> dict[str, Any]:
    path, _, query = operation.http["requestUri"].partition("?")
    members = {} if operation.input_shape is None else operation.input_shape.members
    required = set() if operation.input_shape is None else set(operation.input_shape.required_members)
    found: dict[str, list[str]] = {"query": [], "required_query": [], "headers": [], "required_headers": []}
    for member, shape in members.items():
        location = shape.serialization.get("location", "")
        name = shape.serialization.get("name", member)
        if location == "querystring":
            found["required_query" if member in required else "query"].append(name)
        elif location == "header":
            found["required_headers" if member in required else "headers"].append(name.lower())
        elif location == "headers":
            found["headers"].append(name.lower() + "*")
    level = "object" if "{Key+}" in path else "bucket" if "{Bucket}" in path else "service"
    return {
        "method": operation.http["method"],
        "level": level,
        "markers": [part for part in query.split("&") if part],
        **{kind: sorted(names) for kind, names in found.items()},
    }


def render(operations: dict[str, dict[str, Any]]) -> str:
    """Return the text of the file: an operation a line, empty lists left out."""
    rows = []
    for name, operation in sorted(operations.items()):
        filled = {key: value for key, value in operation.items() if value}
        rows.append(f"{json.dumps(name)}: {json.dumps(filled)}")
    return "{\n" + ",\n".join(rows) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(render(find_operations()), encoding="utf-8")
