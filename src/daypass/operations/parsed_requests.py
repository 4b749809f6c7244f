"""A cache of parsed requests.

Most clients send the same few bodies. Owns a bounded cache in the process. An entry is a pure function of the bytes
that are its key, so it cannot be stale; each request is authenticated and authorized again. Neither proofs nor
parameters that may contain secrets are kept: a form with a token is cached without it, and each token is parsed. A form
that names a parameter twice, or contains a parameter of a signature, is not kept. SDKs give each session another name:
a form with a plain RoleSessionName is cached without it, too, and without the plain values of its session tags.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.operations.cut_forms import (
    LONGEST,
    LONGEST_LONG,
    PROOF,
    SESSION_NAME,
    CutForm,
    cut_form,
    is_used,
    tag_numbers,
)
from daypass.operations.operation import (
    MARKED_TAG,
    AnyOperation,
    NamedSession,
    StoreAccess,
    StrippableProof,
    TaggedSession,
)
from daypass.wire.decode import Call
from daypass.wire.http import HttpRequest
from daypass.wire.supported import PRESIGNED, PROTOCOL, is_protocol

_MOST = 1024  # entries of short forms
_MOST_LONG = 64  # the same for longer forms, such as those with 50 transitive tags
_MOST_READS, _LONGEST_READ = 256, 512  # the same for reads of the store, whose names and markers differ
_LONGEST_HEADER = 128  # bytes of Content-Type and Accept

_NAMES_OF_CALL = frozenset({"Action", "Version"})
_NAMES_OF_SIGNATURE = PROTOCOL - _NAMES_OF_CALL
_ENCODED_NAME = b'"roleSessionName":""'  # it cannot be part of a value, whose quotes are escaped

_ENCODED_TAG = MARKED_TAG.encode()
_TAGS = "Tags"

# A form without its variable values, whether it had none of each, the number of tags, Content-Type and Accept.
_Key = tuple[bytes, bool, bool, int, bytes | None, bytes | None]


class ParsedRequest(msgspec.Struct, frozen=True):
    """A request's body as its operation parsed it.

    `proof` and `session_name` are the values that were left out of `params`, or "". `tag_values` were left out as well:
    they belong to the tags at `tag_places`, counted from 0. `encoded_parameters` are those of the audit event; in an
    entry of the cache, without the name of the session, and with what follows it in `encoded_rest`: the strings around
    the values of the tags.
    """

    call: Call
    operation: AnyOperation
    parameters: Mapping[str, Any]
    params: Any
    proof: str = ""
    session_name: str = ""
    encoded_parameters: bytes | None = None
    encoded_rest: tuple[bytes, ...] = ()
    tag_places: tuple[int, ...] = ()
    tag_values: tuple[str, ...] = ()

    def typed_params(self) -> Any:
        """Return the parameters. Raises a Fault if the proof is not valid."""
        return self.named_params(self.proven_params())

    def proven_params(self) -> Any:
        """Return the parameters without the session name and the values of tags.

        Raises a Fault if the proof is not valid.
        """
        operation: Any = self.operation
        return operation.with_proof(self.params, self.proof) if self.proof else self.params

    def named_params(self, params: Any) -> Any:
        """Return the parameters of `proven_params` with these values."""
        # A value was left out only of the form of an operation that takes it back: `_without` verifies that.
        operation: Any = self.operation
        if self.session_name:
            params = operation.with_session_name(params, self.session_name)
        if self.tag_values:
            params = operation.with_tag_values(params, self.tag_places, self.tag_values)
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
        # An entry costs a tenth of its call, that of a long form a quarter: only a form that comes again gets one.
        self._seen: BoundedMemory[int, bool] = BoundedMemory(2 * _MOST)
        self._unsigned_seen: BoundedMemory[int, bool] = BoundedMemory(2 * _MOST)

    def find(self, request: HttpRequest) -> ParsedRequest | None:
        """Return the parsed request if an equal one was parsed before."""
        # Only a whole form without a query is ever kept. The key contains all other input of the parser.
        if request.method != "POST" or request.query or request.truncated:
            return None
        body, proof, session_name, tags = form = cut_form(request.body)
        if len(body) > (LONGEST if proof else LONGEST_LONG):
            return None
        named = request.by_name
        if named is not None:  # the bodies of _key and _memory, inlined: nearly every call comes here
            key = body, not proof, not session_name, len(tags), named.get(b"content-type"), named.get(b"accept")
        else:
            key = _key(request, form)
        memory = self._unsigned if proof else self._short if len(body) <= LONGEST else self._long
        known = memory.get(key) or self._reads.get(key)
        if known is None or not (proof or session_name):
            return known
        parameters, encoded, places = dict(known.parameters), known.encoded_parameters, known.tag_places
        if proof:
            parameters[PROOF.name] = proof
        if session_name:
            parameters[SESSION_NAME.name] = session_name
            encoded = _encoded(known, session_name, tags)
        if tags:
            parameters[_TAGS] = _with_values(parameters[_TAGS], places, tags)
        return ParsedRequest(
            known.call, known.operation, parameters, known.params, proof, session_name, encoded, (), places, tags
        )

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
        form = cut_form(request.body)
        body, proof, session_name, tags = form
        seen = self._unsigned_seen if proof else self._seen
        if not seen.get(hash(body)):
            seen.put(hash(body), value=True)
            return None
        kept = _without(parsed, request.body, form)
        longest = LONGEST if proof else LONGEST_LONG
        if kept is None or len(body) > longest or self._secret & kept.parameters.keys():
            return None
        key = _key(request, form)
        if any(header is not None and len(header) > _LONGEST_HEADER for header in key[4:]):
            return None
        entry = self._with_encoded(kept, proof, session_name)
        memory = self._reads if is_read else self._memory(body, proof)
        memory.put(key, entry)
        # The name of a proof is last in the entry, and not in the request.
        return None if proof else _encoded(entry, session_name, tags)

    def _with_encoded(self, kept: ParsedRequest, proof: str, session_name: str) -> ParsedRequest:
        """Return an entry with its encoded parameters. The value of a proof is hidden, and its name is last."""
        encoded = self._encode({**kept.parameters, PROOF.name: ""} if proof else kept.parameters)
        rest: tuple[bytes, ...] = ()
        if encoded is not None and session_name:
            place = encoded.index(_ENCODED_NAME) + len(_ENCODED_NAME) - 1
            encoded, rest = encoded[:place], tuple(encoded[place:].split(_ENCODED_TAG))
            if len(rest) != len(kept.tag_places) + 1:
                encoded, rest = None, ()
        return msgspec.structs.replace(kept, encoded_parameters=encoded, encoded_rest=rest)

    def _memory(self, body: bytes, proof: str) -> BoundedMemory[_Key, ParsedRequest]:
        if proof:
            return self._unsigned
        return self._short if len(body) <= LONGEST else self._long


def _has_unread_values(body: bytes, form_params: Mapping[str, str]) -> bool:
    """Return whether the key of the form would contain values that its operation does not read.

    They may be secrets that the parsed parameters lack: the second of two tokens, or a signature.
    """
    if body.count(b"&") + 1 != len(form_params):
        return True  # a name occurs twice
    if PRESIGNED not in "\n".join(form_params).lower():
        return not form_params.keys().isdisjoint(_NAMES_OF_SIGNATURE)
    return any(is_protocol(name) and name not in _NAMES_OF_CALL for name in form_params)


def _encoded(entry: ParsedRequest, session_name: str, tags: tuple[str, ...]) -> bytes | None:
    encoded, rest = entry.encoded_parameters, entry.encoded_rest
    if encoded is None or not session_name:
        return encoded
    # Plain values need no escapes and no cut.
    if not tags:
        return encoded + session_name.encode() + rest[0]
    pieces = [b""] * (2 * len(rest))
    pieces[1::2] = rest
    pieces[::2] = "&".join((session_name, *tags)).encode().split(b"&")
    return encoded + b"".join(pieces)


def _with_values(tags: list[dict[str, str]], places: tuple[int, ...], values: tuple[str, ...]) -> list[dict[str, str]]:
    """Return tags as the parser returns them, with other values at some places."""
    if len(places) == len(tags):  # nearly always
        return [{"Key": tag["Key"], "Value": value} for tag, value in zip(tags, values, strict=True)]
    changed = tags.copy()
    for place, value in zip(places, values, strict=True):
        changed[place] = {**changed[place], "Value": value}
    return changed


def _without(parsed: ParsedRequest, body: bytes, form: CutForm) -> ParsedRequest | None:
    """Return an entry without the values that were cut out.

    Returns None if the operation used another value than the cut one, or does not read a value that was not cut out.
    """
    operation, form_params, params = parsed.operation, parsed.call.form_params, parsed.params
    if _has_unread_values(body, form_params):
        return None
    _, proof, session_name, tags = form
    if not (proof or session_name):
        return parsed
    parameters = dict(parsed.parameters)
    places: tuple[int, ...] = ()
    if session_name:
        if not isinstance(operation, NamedSession) or not is_used(form_params, body, SESSION_NAME, session_name):
            return None
        # The name keeps its place among the parameters.
        params, parameters[SESSION_NAME.name] = operation.with_session_name(params, ""), ""
    if tags:
        found = _places_of(body, form_params, parameters.get(_TAGS, []), tags)
        if not isinstance(operation, TaggedSession) or found is None:
            return None
        places, marks = found, (MARKED_TAG,) * len(tags)
        params = operation.with_tag_values(params, places, marks)
        parameters[_TAGS] = _with_values(parameters[_TAGS], places, marks)
    if proof:
        if not isinstance(operation, StrippableProof) or not is_used(form_params, body, PROOF, proof):
            return None
        params = operation.strip_proof(params)
        del parameters[PROOF.name]
    call = msgspec.structs.replace(parsed.call, form_params={})
    return ParsedRequest(call, operation, parameters, params, tag_places=places)


def _places_of(
    body: bytes, form_params: Mapping[str, str], tags: list[dict[str, str]], values: tuple[str, ...]
) -> tuple[int, ...] | None:
    """Return the places of the tags with these values, or None if they are not in the order of the form."""
    try:
        given = sorted({int(name.split(".")[2]) for name in form_params if name.startswith("Tags.member.")})
        places = tuple([given.index(number) for number in tag_numbers(body)])
    except ValueError:
        return None
    in_order = len(given) == len(tags) and all(one < other for one, other in pairwise(places))
    if not in_order or tuple([tags[place].get("Value") for place in places]) != values:
        return None
    return places


def _key(request: HttpRequest, form: CutForm) -> _Key:
    body, proof, session_name, tags = form
    named = request.by_name
    if named is not None:
        return body, not proof, not session_name, len(tags), named.get(b"content-type"), named.get(b"accept")
    content_type, accept = request.header(b"content-type"), request.header(b"accept")
    return body, not proof, not session_name, len(tags), content_type, accept
