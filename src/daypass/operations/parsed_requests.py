"""A cache of parsed requests.

Most clients send the same few bodies. Owns a bounded cache in the process. An entry is a pure function of the bytes
that are its key, so it cannot be stale; each request is authenticated and authorized again. Neither proofs nor
parameters that may contain secrets are kept: a form with a token is cached without it, and each token is parsed. A form
that names a parameter twice, or contains a parameter of a signature, is not kept. SDKs give each session another name:
a form with a plain RoleSessionName is cached without it, too.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.operations.operation import AnyOperation, NamedSession, StoreAccess, StrippableProof
from daypass.wire.decode import Call
from daypass.wire.http import HttpRequest
from daypass.wire.supported import PRESIGNED, PROTOCOL, is_protocol

_MOST, _LONGEST = 1024, 1024  # entries, and the bytes of a body without its variable values
_MOST_LONG, _LONGEST_LONG = 64, 8192  # the same for longer bodies, such as those with 50 transitive tags
_MOST_READS, _LONGEST_READ = 256, 512  # the same for reads of the store, whose names and markers differ
_LONGEST_HEADER = 128  # bytes of Content-Type and Accept

_NAMES_OF_CALL = frozenset({"Action", "Version"})
_NAMES_OF_SIGNATURE = PROTOCOL - _NAMES_OF_CALL
_OF_WORDS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


class _Variable:
    """A parameter whose value differs from request to request. Plain values are cut out of an unparsed form."""

    __slots__ = ("longest", "mark", "name", "shortest")

    def __init__(self, name: str, shortest: int, longest: int) -> None:
        self.name, self.shortest, self.longest = name, shortest, longest
        self.mark = b"&%b=" % name.encode()  # the bytes in front of the value


_PROOF = _Variable("WebIdentityToken", 4, 20_000)
_SESSION_NAME = _Variable("RoleSessionName", 2, 64)
_ENCODED_NAME = b'"roleSessionName":""'  # it cannot be part of a value, whose quotes are escaped

# A form without its variable values, whether it had none of each, Content-Type and Accept.
_Key = tuple[bytes, bool, bool, bytes | None, bytes | None]


class ParsedRequest(msgspec.Struct, frozen=True):
    """A request's body as its operation parsed it.

    `proof` and `session_name` are the values that were left out of `params`, or "". `encoded_parameters` are those of
    the audit event; in an entry of the cache, without the name of the session, and with what follows it in
    `encoded_rest`.
    """

    call: Call
    operation: AnyOperation
    parameters: Mapping[str, Any]
    params: Any
    proof: str = ""
    session_name: str = ""
    encoded_parameters: bytes | None = None
    encoded_rest: bytes = b""

    def typed_params(self) -> Any:
        """Return the parameters. Raises a Fault if the proof is not valid."""
        # A value was left out only of the form of an operation that takes it back: `_without` verifies that.
        operation: Any = self.operation
        params = self.params
        if self.proof:
            params = operation.with_proof(params, self.proof)
        if self.session_name:
            params = operation.with_session_name(params, self.session_name)
        return params


class ParsedRequestCache:
    """Caches small parsed forms, and drops the oldest.

    `secret` are the parameters that are never kept. `encode` returns the parameters as their audit event has them, or
    None.
    """

    def __init__(self, secret: frozenset[str], encode: Callable[[Mapping[str, Any]], bytes | None]) -> None:
        self._secret = secret
        self._encode = encode
        # Anyone can send many forms with proofs, which are unsigned. They replace only each other.
        self._unsigned: BoundedMemory[_Key, ParsedRequest] = BoundedMemory(_MOST)
        self._short: BoundedMemory[_Key, ParsedRequest] = BoundedMemory(_MOST)
        self._long: BoundedMemory[_Key, ParsedRequest] = BoundedMemory(_MOST_LONG)
        self._reads: BoundedMemory[_Key, ParsedRequest] = BoundedMemory(_MOST_READS)
        # An entry of a long form costs a quarter of its call, so only a form that comes again gets one.
        self._long_seen: BoundedMemory[int, bool] = BoundedMemory(4 * _MOST_LONG)

    def find(self, request: HttpRequest) -> ParsedRequest | None:
        """Return the parsed request if an equal one was parsed before."""
        # Only a whole form without a query is ever kept. The key contains all other input of the parser.
        if request.method != "POST" or request.query or request.truncated:
            return None
        body, proof, session_name = form = _cut(request.body)
        if len(body) > (_LONGEST if proof else _LONGEST_LONG):
            return None
        key = _key(request, form)
        known = self._memory(body, proof).get(key) or self._reads.get(key)
        if known is None or not (proof or session_name):
            return known
        parameters, encoded = dict(known.parameters), known.encoded_parameters
        if proof:
            parameters[_PROOF.name] = proof
        if session_name:
            parameters[_SESSION_NAME.name] = session_name
            encoded = _encoded(known, session_name)
        return ParsedRequest(known.call, known.operation, parameters, known.params, proof, session_name, encoded)

    def keep(self, request: HttpRequest, parsed: ParsedRequest) -> bytes | None:
        """Cache a small request without a secret that the loop answers.

        Returns the encoded parameters of its audit event, if they were encoded for the entry.
        """
        if request.method != "POST" or request.query or request.truncated:
            return None
        access = parsed.operation.store_access(parsed.params)
        is_read = access is StoreAccess.SHORT_READ and len(request.body) <= _LONGEST_READ
        if not is_read and access is not StoreAccess.CACHE:
            return None
        form = _cut(request.body)
        body, proof, session_name = form
        if len(body) > _LONGEST and not self._long_seen.get(hash(body)):
            self._long_seen.put(hash(body), value=True)
            return None
        kept = _without(parsed, request.body, form)
        longest = _LONGEST if proof else _LONGEST_LONG
        if kept is None or len(body) > longest or self._secret & kept.parameters.keys():
            return None
        key = _key(request, form)
        if any(header is not None and len(header) > _LONGEST_HEADER for header in key[3:]):
            return None
        entry = self._with_encoded(kept, proof, session_name)
        memory = self._reads if is_read else self._memory(body, proof)
        memory.put(key, entry)
        # The name of a proof is last in the entry, and not in the request.
        return None if proof else _encoded(entry, session_name)

    def _with_encoded(self, kept: ParsedRequest, proof: str, session_name: str) -> ParsedRequest:
        """Return an entry with its encoded parameters. The value of a proof is hidden, and its name is last."""
        encoded = self._encode({**kept.parameters, _PROOF.name: ""} if proof else kept.parameters)
        rest = b""
        if encoded is not None and session_name:
            place = encoded.index(_ENCODED_NAME) + len(_ENCODED_NAME) - 1
            encoded, rest = encoded[:place], encoded[place:]
        return msgspec.structs.replace(kept, encoded_parameters=encoded, encoded_rest=rest)

    def _memory(self, body: bytes, proof: str) -> BoundedMemory[_Key, ParsedRequest]:
        if proof:
            return self._unsigned
        return self._short if len(body) <= _LONGEST else self._long


def _has_unread_values(body: bytes, form_params: Mapping[str, str]) -> bool:
    """Return whether the key of the form would contain values that its operation does not read.

    They may be secrets that the parsed parameters lack: the second of two tokens, or a signature.
    """
    if body.count(b"&") + 1 != len(form_params):
        return True  # a name occurs twice
    if PRESIGNED not in "\n".join(form_params).lower():
        return not form_params.keys().isdisjoint(_NAMES_OF_SIGNATURE)
    return any(is_protocol(name) and name not in _NAMES_OF_CALL for name in form_params)


def _encoded(entry: ParsedRequest, session_name: str) -> bytes | None:
    encoded = entry.encoded_parameters
    # A plain name needs no escapes and no cut.
    return encoded + session_name.encode() + entry.encoded_rest if encoded is not None and session_name else encoded


# A form without its variable values, and the values or "".
_Form = tuple[bytes, str, str]


def _cut(body: bytes) -> _Form:
    """Cut the first plainly named token and session name out of a form."""
    proof = session_name = ""
    at = body.find(_PROOF.mark, 0, _LONGEST)
    if at >= 0:
        body, proof = _cut_value(body, at, _PROOF)
    if len(body) <= _LONGEST_LONG + _SESSION_NAME.longest:
        at = body.find(_SESSION_NAME.mark)  # SDKs keep the caller's order: it may come after 50 tags
        if at >= 0:
            body, session_name = _cut_value(body, at, _SESSION_NAME)
    return body, proof, session_name


def _cut_value(body: bytes, at: int, variable: _Variable) -> tuple[bytes, str]:
    longest = variable.longest
    start = at + len(variable.mark)
    end = body.find(b"&", start, start + longest + 1)
    value = body[start:] if end < 0 else body[start:end]
    if not variable.shortest <= len(value) <= longest or value.translate(None, _OF_WORDS):
        return body, ""
    return body[:start] + body[start + len(value) :], value.decode("ascii")


def _without(parsed: ParsedRequest, body: bytes, form: _Form) -> ParsedRequest | None:
    """Return an entry without the values that were cut out.

    Returns None if the operation used another value than the cut one, or does not read a value that was not cut out.
    """
    operation, form_params, params = parsed.operation, parsed.call.form_params, parsed.params
    if _has_unread_values(body, form_params):
        return None
    _, proof, session_name = form
    if not (proof or session_name):
        return parsed
    parameters = dict(parsed.parameters)
    if session_name:
        is_used = _is_used(form_params, body, _SESSION_NAME, session_name)
        if not isinstance(operation, NamedSession) or not is_used:
            return None
        # The name keeps its place among the parameters.
        params, parameters[_SESSION_NAME.name] = operation.with_session_name(params, ""), ""
    if proof:
        if not isinstance(operation, StrippableProof) or not _is_used(form_params, body, _PROOF, proof):
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
    body, proof, session_name = form
    named = request.by_name
    if named is not None:
        return body, not proof, not session_name, named.get(b"content-type"), named.get(b"accept")
    content_type, accept = request.header(b"content-type"), request.header(b"accept")
    return body, not proof, not session_name, content_type, accept
