"""The operations of the JSON services, compiled from the service model.

Owns the parsers of their requests and the writers of their responses. Leaves refusals to rest_faults.py, and the effect
of an operation to daypass.sso. The rules:

- A body is one object in strict JSON: UTF-8, without equal keys and without NUL. A member that is null is absent.
- A query parameter and a header of the model may occur once.
- A member that the operation does not declare is refused, as in supported.py: it may be a restriction.
- The query of a POST selects the operation (`/token?aws_iam=t`), and nothing else.
- Values are never repeated in a message: most are codes or tokens.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import json

from daypass.errors import MalformedInput, RequestEntityTooLarge, ValidationError
from daypass.strict_json import JsonReader, NotStrictJsonError
from daypass.wire.constraints import ConstraintViolations, rules_of
from daypass.wire.form import read_form
from daypass.wire.http import Headers, HttpRequest, HttpResponse
from daypass.wire.model import JSON_SERVICES, OperationShape, ServiceModel, Shape, load_service
from daypass.wire.safe_text import encodable, json_bytes
from daypass.wire.scalars import SCALARS, parse_scalar
from daypass.wire.supported import Declared

Shapes = Mapping[str, Shape]
Values = dict[str, Any]
Reader = Callable[[Any, str, ConstraintViolations], Any]
# The name of a member in the request -> the member, and the reader of its value.
Readers = Mapping[str, tuple[str, Reader]]

MAX_JSON_BODY = 65_536
MAX_JSON_QUERY = 8_192
_JSON_TYPES = frozenset({b"application/json", b"application/x-amz-json-1.0", b"application/x-amz-json-1.1"})
_TYPES: Mapping[str, type] = {"string": str, "integer": int, "long": int, "boolean": bool}
_TYPE_WORDS = {
    "string": "a string",
    "integer": "a whole number",
    "long": "a whole number",
    "boolean": "true or false",
    "list": "a list",
}
_DOCUMENTS = JsonReader(max_depth=8, refuses_nul=True)
_MOST_NAMED, _LONGEST_NAME = 5, 64


@dataclass(frozen=True, slots=True)
class RestOperation:
    """One operation: its place, the parser of its requests and its writer.

    `query` distinguishes operations with the same path. `parse` raises ValidationError, MalformedInput or
    RequestEntityTooLarge. `declared` is None for an operation that is refused by name.
    """

    service: str
    name: str
    method: str
    path: str
    query: bytes
    declared: Declared | None
    parse: Callable[[HttpRequest], Values]
    render: Callable[[Mapping[str, Any]], bytes]


JSON_SERVICE_HEADERS: Headers = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
)
"""The headers of most responses after the request id: the same for every caller and result."""


class RestCatalog:
    """The operations of the JSON services by method and path."""

    def __init__(self, operations: Iterable[RestOperation]) -> None:
        self._at: dict[tuple[str, str], list[RestOperation]] = {}
        for one in operations:
            self._at.setdefault((one.method, one.path), []).append(one)

    @classmethod
    def load(cls, declared: Mapping[tuple[str, str], Declared]) -> "RestCatalog":
        """Read botocore's data models. Call it once, at startup.

        `declared` has the members of each operation that is performed, by service and name.
        """
        models = {service: load_service(service) for service in JSON_SERVICES}
        return cls(
            compile_operation(service, model, shape, declared.get((service, name)))
            for service, model in models.items()
            for name, shape in model.operations.items()
        )

    def is_known(self, method: str, path: str) -> bool:
        """Return whether an operation of the models has this method and path."""
        return (method, path) in self._at

    def find(self, method: str, path: str, query: bytes) -> RestOperation:
        """Return the operation of a known method and path.

        A query that does not select an operation belongs to the one without a query, which refuses it, or to the first.
        """
        here = self._at[method, path]
        if len(here) == 1:
            return here[0]
        parts = query.split(b"&")
        selected = next((one for one in here if one.query and one.query in parts), None)
        return selected or next((one for one in here if not one.query), here[0])


def compile_operation(
    service: str, model: ServiceModel, shape: OperationShape, declared: Declared | None
) -> RestOperation:
    """Return an operation of a service model."""
    path, _, query = shape.http.uri.partition("?")
    return RestOperation(
        service,
        shape.name,
        shape.http.method,
        path,
        query.encode(),
        declared,
        _unread if declared is None else _parser(model.shapes, shape, declared),
        _writer(model.shapes, shape),
    )


def _unread(request: HttpRequest) -> Values:
    raise ValueError(f"the operation at {request.path!r} is not performed")


def _parser(shapes: Shapes, operation: OperationShape, declared: Declared) -> Callable[[HttpRequest], Values]:
    shape = Shape("structure") if operation.input is None else shapes[operation.input.shape]
    if shape.payload is not None:  # The whole body is this member.
        declared, shape = declared[shape.payload], shapes[shape.members[shape.payload].shape]
    required = tuple(member for member in shape.members if member in shape.required)
    query, headers, body = (_readers(shapes, shape, declared, place) for place in ("querystring", "header", None))
    header_names = {name.encode(): name for name in headers}

    def parse(request: HttpRequest) -> Values:
        report = ConstraintViolations()
        values: Values = {}
        # In this order: a refusal of one part comes before the reading of the next.
        if found := _read_query(request):
            values |= _take(found, query, report)
        if found := _read_headers(request, header_names):
            values |= _take(found, headers, report)
        if found := _read_body(request):
            values |= _take(found, body, report)
        for member in required:
            if member not in values:
                report.missing(member)
        report.raise_if_any()
        return values

    return parse


def _readers(shapes: Shapes, shape: Shape, declared: Declared, place: str | None) -> Readers:
    """Return the readers of the declared members in one place of a request."""
    compile_reader = _json_reader if place is None else _text_reader
    return {
        ref.location_name or member: (member, compile_reader(shapes, ref.shape))
        for member, ref in shape.members.items()
        if member in declared and ref.location == place
    }


def _take(found: Mapping[str, Any], readers: Readers, report: ConstraintViolations) -> Values:
    if not readers.keys() >= found.keys():
        raise ValidationError(_unsupported([name for name in found if name not in readers]))
    values: Values = {}
    for name, value in found.items():
        member, read = readers[name]
        if value is not None:
            values[member] = read(value, member, report)
    return values


def _unsupported(names: list[str]) -> str:
    shown = [name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in names[:_MOST_NAMED]]
    return " ".join(f"{encodable(name) or 'An empty name'} is not supported by this server." for name in shown)


def _read_query(request: HttpRequest) -> Mapping[str, str]:
    if not request.query:
        return {}
    if len(request.query) > MAX_JSON_QUERY:
        raise ValidationError(f"The query is longer than {MAX_JSON_QUERY} characters.")
    found = read_form(request.query)
    if len(found) != request.query.count(b"&") + 1:
        raise ValidationError("A query parameter occurs twice.")
    if b"%00" in request.query or b"\0" in request.query:
        raise ValidationError("The query must not contain the character NUL.")
    return found


def _read_headers(request: HttpRequest, names: Mapping[bytes, str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    by_name = request.by_name
    if by_name is not None and names:  # Each name occurs once.
        return {name: by_name[raw].decode("latin-1") for raw, name in names.items() if raw in by_name}
    for raw, value in request.headers if names else ():
        name = names.get(raw)
        if name is None:
            continue
        if name in found:
            raise ValidationError(f"The header {name} occurs twice.")
        found[name] = value.decode("latin-1")
    return found


def _read_body(request: HttpRequest) -> Mapping[str, Any]:
    if request.truncated or len(request.body) > MAX_JSON_BODY:
        raise RequestEntityTooLarge(f"The body is larger than {MAX_JSON_BODY} bytes.")
    if not request.body:
        return {}
    kind = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if kind not in _JSON_TYPES:
        raise ValidationError("The body must be JSON. Send it with the Content-Type application/json.")
    try:
        return _DOCUMENTS.read_object(request.body)
    except NotStrictJsonError as error:
        raise ValidationError(f"The body is not a valid JSON object: {error}.") from error


def _text_reader(shapes: Shapes, name: str) -> Reader:
    """Return the reader of a value in the query or in a header."""
    check = _checks(shapes[name])
    convert = SCALARS[shapes[name].type]

    def read(text: str, path: str, report: ConstraintViolations) -> Any:
        try:
            value = parse_scalar(convert, text, path)
        except MalformedInput as error:
            raise _wrong_type(path, shapes[name].type) from error
        check(value, path, report)
        return value

    return read


def _json_reader(shapes: Shapes, name: str) -> Reader:
    """Return the reader of a value in the body."""
    shape = shapes[name]
    check = _checks(shape)
    if shape.type == "list" and shape.member is not None:
        read_element = _json_reader(shapes, shape.member.shape)

        def read_list(values: Any, path: str, report: ConstraintViolations) -> Any:
            if not isinstance(values, list):
                raise _wrong_type(path, "list")
            check(values, path, report)
            return [read_element(value, f"{path}.{place}.member", report) for place, value in enumerate(values, 1)]

        return read_list
    expected = _TYPES[shape.type]

    def read(value: Any, path: str, report: ConstraintViolations) -> Any:
        if type(value) is not expected:  # A bool is not an integer here.
            raise _wrong_type(path, shape.type)
        check(value, path, report)
        return value

    return read


def _wrong_type(path: str, name: str) -> ValidationError:
    return ValidationError(f"The value at '{path}' must be {_TYPE_WORDS[name]}.")


def _checks(shape: Shape) -> Callable[[Any, str, ConstraintViolations], None]:
    rules = rules_of(shape)

    def check(value: Any, path: str, report: ConstraintViolations) -> None:
        for rule in rules:
            if not rule.holds(value):
                report.add(path, "", rule.words)

    return check


def _writer(shapes: Shapes, operation: OperationShape) -> Callable[[Mapping[str, Any]], bytes]:
    shape = Shape("structure") if operation.output is None else shapes[operation.output.shape]
    if shape.payload is not None:
        shape = shapes[shape.members[shape.payload].shape]
    if operation.output is None:
        return lambda _: b""
    written = _json_writer(shapes, shape)
    return lambda result: json_bytes(json.encode(written(result)))


def _json_writer(shapes: Shapes, shape: Shape) -> Callable[[Any], Any]:
    """Return the function that puts a value under the names of the model.

    A member that the model does not know raises KeyError: it would be missing silently.
    """
    if shape.type == "structure":
        members = {
            member: (ref.location_name or member, _json_writer(shapes, shapes[ref.shape]))
            for member, ref in shape.members.items()
        }

        def write_structure(value: Mapping[str, Any]) -> dict[str, Any]:
            found = {}
            for member, inner in value.items():
                name, write = members[member]
                found[name] = write(inner)
            return found

        return write_structure
    if shape.type == "list" and shape.member is not None:
        write_element = _json_writer(shapes, shapes[shape.member.shape])
        return lambda values: [write_element(value) for value in values]
    return _write_scalar


def _write_scalar(value: Any) -> Any:
    return encodable(value) if isinstance(value, str) else value


def answer(body: bytes, request_id: str, *, status: int = 200, extra: Headers = ()) -> HttpResponse:
    """Return a response of a JSON service. Caches must not store it."""
    return HttpResponse(status, ((b"x-amzn-requestid", request_id.encode()), *JSON_SERVICE_HEADERS, *extra), body)
