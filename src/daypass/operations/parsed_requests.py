"""A cache of parsed requests.

Most clients send the same few bodies. Owns a bounded cache in the process. An entry is a pure function of the bytes
that are its key, so it cannot be stale; each request is authenticated and authorized again. Neither proofs nor
parameters that may contain secrets are kept: a form with a token is cached without it, and each token is parsed.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.operations.operation import AnyOperation, StoreAccess, StrippableProof
from daypass.wire.decode import Call
from daypass.wire.http import HttpRequest

_MOST = 1024
_LONGEST = 1024  # bytes of a body without its proof, and of its Content-Type and Accept
_LONGEST_HEADER = 128

# A token needs no escapes, so it can be cut out of an unparsed form.
_PROOF = "WebIdentityToken"
_MARK = b"&WebIdentityToken="
_SHORTEST_PROOF, _LONGEST_PROOF = 4, 20_000
_OF_TOKENS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

# A form without its proof, whether a proof was cut out, Content-Type and Accept.
_Key = tuple[bytes, bool, bytes | None, bytes | None]


class ParsedRequest(msgspec.Struct, frozen=True):
    """A request's body as its operation parsed it.

    `proof` is the token that was left out of `params`, if there was one.
    """

    call: Call
    operation: AnyOperation
    parameters: Mapping[str, Any]
    params: Any
    proof: str = ""

    def typed_params(self) -> Any:
        """Return the parameters. Raises a Fault if the proof is not valid."""
        if self.proof and isinstance(self.operation, StrippableProof):
            return self.operation.with_proof(self.params, self.proof)
        return self.params


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
        body, proof = _part(request.body)
        if len(body) > _LONGEST:
            return None
        known = self._parsed_requests.get(_key(request, body, proof))
        if known is None or not proof:
            return known
        text = proof.decode("ascii")
        return ParsedRequest(known.call, known.operation, {**known.parameters, _PROOF: text}, known.params, text)

    def keep(self, request: HttpRequest, parsed: ParsedRequest) -> None:
        """Cache a request if it is small, has no secret and uses only the cache."""
        if request.method != "POST" or request.query or request.truncated:
            return
        if parsed.operation.store_access(parsed.params) is not StoreAccess.CACHE:
            return
        body, proof = _part(request.body)
        kept = _without(parsed, body, proof.decode("ascii")) if proof else parsed
        if kept is None or len(body) > _LONGEST or self._secret & kept.parameters.keys():
            return
        key = _key(request, body, proof)
        if any(header is not None and len(header) > _LONGEST_HEADER for header in key[2:]):
            return
        self._parsed_requests.put(key, kept)


def _part(body: bytes) -> tuple[bytes, bytes]:
    """Return a form with its first plainly named token cut out, and the token."""
    at = body.find(_MARK, 0, _LONGEST) + len(_MARK)
    if at < len(_MARK):
        return body, b""
    end = body.find(b"&", at, at + _LONGEST_PROOF + 1)
    proof = body[at:] if end < 0 else body[at:end]
    if not _SHORTEST_PROOF <= len(proof) <= _LONGEST_PROOF or proof.translate(None, _OF_TOKENS):
        return body, b""
    return body[:at] + body[at + len(proof) :], proof


def _without(parsed: ParsedRequest, body: bytes, proof: str) -> ParsedRequest | None:
    """Return an entry without its proof.

    Returns None if the operation used another value than the cut one as the proof.
    """
    operation, form_params = parsed.operation, parsed.call.form_params
    if not isinstance(operation, StrippableProof) or form_params.get(_PROOF) != proof:
        return None
    # An escaped form of the name may come before it, and the first of two counts: the form must not have an earlier
    # one.
    if list(form_params).index(_PROOF) != body.count(b"&", 0, body.index(_MARK)) + 1:
        return None
    return ParsedRequest(
        msgspec.structs.replace(parsed.call, form_params={}),
        operation,
        {name: value for name, value in parsed.parameters.items() if name != _PROOF},
        operation.strip_proof(parsed.params),
    )


def _key(request: HttpRequest, body: bytes, proof: bytes) -> _Key:
    content_type = accept = None
    for name, value in request.headers:
        if name == b"content-type" and content_type is None:
            content_type = value
        elif name == b"accept" and accept is None:
            accept = value
    return body, bool(proof), content_type, accept
