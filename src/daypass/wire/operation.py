"""One action of the API in the service model: its input and its output."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import json

from daypass.wire import response_shapes
from daypass.wire.arn_members import compile_arn_check
from daypass.wire.model import MILLISECONDS, OperationShape, ServiceModel
from daypass.wire.request_shapes import compile_input
from daypass.wire.safe_text import json_bytes, xml_text
from daypass.wire.supported import Declared, compile_supported
from daypass.wire.unescaped_xml import NOT_WRITTEN, Render, compile_unescaped

Parse = Callable[[dict[str, str]], dict[str, Any]]

# The notations of times, in XML and JSON, by whether they have milliseconds.
_TIMES: Mapping[bool, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    False: (response_shapes.xml_seconds, response_shapes.plain_seconds),
    True: (response_shapes.xml_milliseconds, response_shapes.plain_milliseconds),
}


class OperationModel:
    """A compiled action: `parse` its parameters, `render` its result.

    `signed` is False for the two actions with an assertion or a token.
    """

    def __init__(self, service: str, model: ServiceModel, shape: OperationShape) -> None:
        self.service = service
        self.name = shape.name
        self.version = model.metadata.version
        self.signed = shape.authtype != "none"
        self._precise = (service, shape.name) in MILLISECONDS
        self._model = model
        self._shape = shape
        self._result = shape.output.wrapper if shape.output else ""
        self._parse: Parse = compile_input(model.shapes, shape.input.shape) if shape.input else _takes_nothing
        self._check_arns: Callable[[Mapping[str, Any]], None] | None = None
        if service == "iam" and shape.input:
            self._check_arns = compile_arn_check(model.shapes, shape.input.shape)
        self._xml = self._compile_xml()
        self._plain: Callable[[Any], Any] | None = None

    def parse(self, params: dict[str, str]) -> dict[str, Any]:
        """Return the typed input, by the model's names.

        Raises ValidationError or MalformedInput.
        """
        values = self._parse(params)
        if self._check_arns is not None:
            self._check_arns(values)
        return values

    def compile_supported(self, declared: Declared | None) -> Callable[[dict[str, str]], None]:
        """Return the check that refuses parameters that are not `declared`.

        See wire/supported.py.
        """
        return compile_supported(self._model.shapes, self._shape.input.shape if self._shape.input else None, declared)

    def render(self, result: Mapping[str, Any], request_id: str) -> bytes:
        """Return the response as XML. Members that are None are omitted."""
        return self._xml(result, request_id)

    def render_json(self, result: Mapping[str, Any], request_id: str) -> bytes:
        """Return the response as JSON, as AWS sends it for Accept."""
        response: dict[str, Any] = {}
        if self._shape.output:
            if self._plain is None:
                notation = response_shapes.plain(_TIMES[self._precise][1])
                self._plain = response_shapes.compile_output(self._model.shapes, self._shape.output.shape, notation)
            response[self._result] = self._plain(result)
        elif result:
            raise ValueError(f"{self.name} answers nothing")
        response["ResponseMetadata"] = {"RequestId": request_id}
        return json_bytes(json.encode({f"{self.name}Response": response}))

    def _compile_xml(self) -> Render:
        start = f'<{self.name}Response xmlns="{self._model.metadata.namespace}">'
        end = f"</RequestId></ResponseMetadata></{self.name}Response>"
        if self._shape.output is None:
            return _around(_answers_nothing, start, "<ResponseMetadata><RequestId>", end)
        head, tail = f"{start}<{self._result}>", f"</{self._result}><ResponseMetadata><RequestId>"
        shapes, shape, timestamp = self._model.shapes, self._shape.output.shape, _TIMES[self._precise][0]
        render_unescaped = compile_unescaped(shapes, shape, timestamp, (head, tail, end))
        notation = response_shapes.xml(timestamp)
        render = _around(response_shapes.compile_output(shapes, shape, notation), head, tail, end)

        def render_any(result: Mapping[str, Any], request_id: str) -> bytes:
            try:
                return render_unescaped(result, request_id)
            except NOT_WRITTEN:
                return render(result, request_id)

        return render_any


def _takes_nothing(params: dict[str, str]) -> dict[str, Any]:  # noqa: ARG001 - has the signature of a parser
    return {}


def _around(write: Callable[[Any], str], head: str, tail: str, end: str) -> Render:
    return lambda result, request_id: f"{head}{write(result)}{tail}{xml_text(request_id)}{end}".encode()


def _answers_nothing(result: Mapping[str, Any]) -> str:
    if result:
        raise ValueError("the operation answers nothing")
    return ""
