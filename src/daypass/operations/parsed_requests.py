"""A cache of parsed requests.

Most clients send the same few bodies. Owns a bounded cache in the process. An entry is a pure function of the bytes
that are its key, so it cannot be stale; each request is authenticated and authorized again. Neither proofs nor
parameters that may contain secrets are kept: a form with a token is cached without it, and each token is parsed. SDKs
give each session another name: a form with a plain RoleSessionName is cached without it, too.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.operations.operation import AnyOperation, NamedSession, StoreAccess, StrippableProof
from daypass.wire.decode import Call
from daypass.wire.http import HttpRequest

_MOST = 1024
_LONGEST = 1024  # bytes of a body without its proof, and of its Content-Type and Accept
_LONGEST_HEADER = 128

_OF_WORDS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


class _Variable(NamedTuple):
    """A parameter whose value differs from request to request. Plain values are cut out of an unparsed form."""

    name: str
    shortest: int
    longest: int

    @property
    def mark(self) -> bytes:
        """The bytes in front of the value."""
        return b"&%b=" % self.name.encode()


_PROOF = _Variable("WebIdentityToken", 4, 20_000)
_SESSION_NAME = _Variable("RoleSessionName", 2, 64)

# A form without its variable values, what was cut out, Content-Type and Accept.
_Key = tuple[bytes, tuple[bool, bool], bytes | None, bytes | None]


class ParsedRequest(msgspec.Struct, frozen=True):
    """A request's body as its operation parsed it.

    `proof` and `session_name` are the values that were left out of `params`, or "".
    """

    call: Call
    operation: AnyOperation
    parameters: Mapping[str, Any]
    params: Any
    proof: str = ""
    session_name: str = ""

    def typed_params(self) -> Any:
        """Return the parameters. Raises a Fault if the proof is not valid."""
        operation, params = self.operation, self.params
        if self.proof and isinstance(operation, StrippableProof):
            params = operation.with_proof(params, self.proof)
        if self.session_name and isinstance(operation, NamedSession):
            params = operation.with_session_name(params, self.session_name)
        return params


class ParsedRequestCache:
    """Caches small parsed forms, and drops the oldest.

    `secret` are the parameters that are never kept.
    """

    def __init__(self, secret: frozenset[str]) -> None:
        self._secret = secret
        self._parsed_requests: BoundedMemory[_Key, ParsedRequest] = BoundedMemory(_MOST)

    def find(self, request: HttpRequest) -> ParsedRequest | None:
        """Return the parsed request if an equal one was parsed before."""
        # Only a whole form without a query is ever kept. The key contains all other input of the parser.
        if request.method != "POST" or request.query or request.truncated:
            return None
        form = _cut(request.body)
        if len(form.body) > _LONGEST:
            return None
        known = self._parsed_requests.get(_key(request, form))
        if known is None or not (form.proof or form.session_name):
            return known
        parameters = dict(known.parameters)
        if form.proof:
            parameters[_PROOF.name] = form.proof
        if form.session_name:
            parameters[_SESSION_NAME.name] = form.session_name
        return ParsedRequest(known.call, known.operation, parameters, known.params, form.proof, form.session_name)

    def keep(self, request: HttpRequest, parsed: ParsedRequest) -> None:
        """Cache a request if it is small, has no secret and uses only the cache."""
        if request.method != "POST" or request.query or request.truncated:
            return
        if parsed.operation.store_access(parsed.params) is not StoreAccess.CACHE:
            return
        form = _cut(request.body)
        kept = _without(parsed, request.body, form) if form.proof or form.session_name else parsed
        if kept is None or len(form.body) > _LONGEST or self._secret & kept.parameters.keys():
            return
        key = _key(request, form)
        if any(header is not None and len(header) > _LONGEST_HEADER for header in key[2:]):
            return
        self._parsed_requests.put(key, kept)


class _Form(NamedTuple):
    """A form without its variable values, and the values or ""."""

    body: bytes
    proof: str
    session_name: str


def _cut(body: bytes) -> _Form:
    """Cut the first plainly named token and session name out of a form."""
    body, proof = _cut_one(body, _PROOF)
    if len(body) > _LONGEST + _SESSION_NAME.longest:
        return _Form(body, proof, "")
    body, session_name = _cut_one(body, _SESSION_NAME)
    return _Form(body, proof, session_name)


def _cut_one(body: bytes, variable: _Variable) -> tuple[bytes, str]:
    mark, longest = variable.mark, variable.longest
    at = body.find(mark, 0, _LONGEST) + len(mark)
    if at < len(mark):
        return body, ""
    end = body.find(b"&", at, at + longest + 1)
    value = body[at:] if end < 0 else body[at:end]
    if not variable.shortest <= len(value) <= longest or value.translate(None, _OF_WORDS):
        return body, ""
    return body[:at] + body[at + len(value) :], value.decode("ascii")


def _without(parsed: ParsedRequest, body: bytes, form: _Form) -> ParsedRequest | None:
    """Return an entry without the values that were cut out.

    Returns None if the operation used another value than the cut one.
    """
    operation, form_params, params = parsed.operation, parsed.call.form_params, parsed.params
    parameters = dict(parsed.parameters)
    if form.session_name:
        is_used = _is_used(form_params, body, _SESSION_NAME, form.session_name)
        if not isinstance(operation, NamedSession) or not is_used:
            return None
        # The name keeps its place among the parameters.
        params, parameters[_SESSION_NAME.name] = operation.with_session_name(params, ""), ""
    if form.proof:
        if not isinstance(operation, StrippableProof) or not _is_used(form_params, body, _PROOF, form.proof):
            return None
        params = operation.strip_proof(params)
        del parameters[_PROOF.name]
    return ParsedRequest(msgspec.structs.replace(parsed.call, form_params={}), operation, parameters, params)


def _is_used(form_params: Mapping[str, str], body: bytes, variable: _Variable, value: str) -> bool:
    """Return whether the value that was cut out is the parameter's.

    An escaped form of the name may come before it, and the first of two counts: the form must not have an earlier one.
    """
    name, mark = variable.name, variable.mark
    return form_params.get(name) == value and list(form_params).index(name) == body.count(b"&", 0, body.index(mark)) + 1


def _key(request: HttpRequest, form: _Form) -> _Key:
    content_type = accept = None
    for name, value in request.headers:
        if name == b"content-type" and content_type is None:
            content_type = value
        elif name == b"accept" and accept is None:
            accept = value
    return form.body, (bool(form.proof), bool(form.session_name)), content_type, accept
