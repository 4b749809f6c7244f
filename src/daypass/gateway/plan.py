"""What the judge tells the server to do with one request.

Owns the values between the two: the connection that a request came on, the three outcomes of a judgement, and the two
outcomes for an answer of a store. The judge never waits and never sees a socket; the server never decides.

How the server uses them:

- It calls `Judge.judge` on the event loop. If that raises NotLoadedError, it calls `judge_waiting` on a worker thread.
  Neither raises another exception: every refusal is a Respond.
- Respond: send it. If the request has a body that was not read, close the connection afterwards.
- Collect: read the body through `body`, at most `limit` bytes of its output. Call `finish`, or after a NotLoadedError
  `finish_waiting` on a worker thread.
- Forward: send `head`, then the output of `body` in the framing that `head` states. The first byte of the head may be
  sent when `body` returns its first output; the last output is sent after `body.finish()` succeeded.
- An S3Error of `body`, or of the framing or the time limits, becomes the answer `exchange.refuse(error)`.
- For the store's answer, call `answer.begin`. PassAnswer: send the head, then the store's body. EditAnswer: collect the
  store's body up to `limit` bytes and send `finish(body)`. If the body is longer, send `exchange.refuse` of another
  error.
- It adds the framing, `date` and `x-amz-request-id` (the exchange's request_id) to every answer.
- At the end of every request, call `exchange.done` once, also for a Respond and for a connection that broke.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr

HeaderPairs = tuple[tuple[bytes, bytes], ...]
"""Lower-case header names with their values, without the headers of framing and of the connection."""


class Peer(msgspec.Struct, frozen=True):
    """The client's side of a connection.

    `address` is the client's address after the rule of trusted proxies, and `secure` whether its connection used TLS.
    The TLS names are empty if TLS ended elsewhere.
    """

    address: str
    secure: bool
    tls_version: str = ""  # as OpenSSL names it: "TLSv1.3"
    cipher_suite: str = ""


class Body(Protocol):
    """A request body on its way through the gateway, verified as it passes.

    Its output is for the wire: it includes the transfer coding.
    """

    def feed(self, data: bytes) -> Sequence[bytes | memoryview]:
        """Return the bytes that may be passed on now. Raises S3Error."""
        ...

    def finish(self) -> Sequence[bytes | memoryview]:
        """Return the held-back end, or raise S3Error.

        Called at the end of the client's body.
        """
        ...


class Exchange(Protocol):
    """One request, from its head to its audit event."""

    @property
    def request_id(self) -> str:
        """The id in the answer, in errors and in the audit event."""
        ...

    @property
    def operation(self) -> str:
        """The operation's name from a table, or "" if it is not known."""
        ...

    def refuse(self, error: Exception) -> "Respond":
        """Return the answer for an error.

        An exception that is not an S3Error becomes an InternalError.
        """
        ...

    def done(self, *, status: int, bytes_in: int, bytes_out: int) -> None:
        """Write the audit event.

        `status` is 0 if the client did not get an answer.
        """
        ...


class Respond(msgspec.Struct, frozen=True):
    """An answer of the gateway itself.

    An answer to HEAD states the length of the body, and the server does not send the body.
    """

    exchange: Exchange
    status: int
    headers: HeaderPairs
    body: bytes


class PassAnswer(msgspec.Struct, frozen=True):
    """The head of an answer whose body is passed on unchanged.

    The server adds the framing.
    """

    status: int
    headers: HeaderPairs


class EditAnswer(msgspec.Struct, frozen=True):
    """An answer of a store whose body is needed before the answer is known.

    `waits` is whether `finish` may block: it then runs on a worker thread, even if the client has gone meanwhile.
    """

    limit: int
    finish: Callable[[bytes], Respond]
    waits: bool = False


class AnswerRule(Protocol):
    """How the answer of a store becomes an answer to the client."""

    def begin(self, status: int, headers: HeaderPairs) -> PassAnswer | EditAnswer:
        """Return what to do with an answer, given its status and headers.

        Never raises.
        """
        ...


class Backend(msgspec.Struct, frozen=True):
    """A store behind the gateway, as the connection pool sees it."""

    name: str
    host: str
    port: int
    secure: bool
    ca_bundle: str = ""


class Forward(msgspec.Struct, frozen=True):
    """A request for a store: the complete head, and the body.

    `head` includes the empty line. `body` is None if the request has no body. `chunked` is whether `head` announces
    HTTP chunks, which `body` then returns; else the output of `body` has exactly `content_length` bytes. After a
    Collect, `body.feed` is not called, only `body.finish`. With `finishes_alone`, the answer of the store is awaited
    and `answer.begin` is called even if the client goes away after the last byte of its body. `before_end` is called
    before the last output of `body` is sent, if that is long after the plan was made. It raises NotLoadedError if it
    must wait, and is then called on a worker thread with True. An S3Error of it refuses the request.
    """

    exchange: Exchange
    operation: str
    backend: Backend
    head: bytes
    answer: AnswerRule
    body: Body | None = None
    chunked: bool = False
    content_length: int = 0
    is_head: bool = False
    finishes_alone: bool = False
    before_end: Callable[[bool], None] | None = None

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class Collect(msgspec.Struct, frozen=True):
    """A request that is judged again with its body.

    If `is_enough` is given and returns True, the judge does not need more: `finish` is called before the body ends, and
    the body of its Forward is fed with the rest.
    """

    exchange: Exchange
    limit: int
    body: Body
    finish: Callable[[bytes], "Forward | Respond"]
    finish_waiting: Callable[[bytes], "Forward | Respond"]
    is_enough: Callable[[], bool] | None = None


Plan = Forward | Respond | Collect


class Judge(Protocol):
    """Decides requests. `head` is the RequestHead of daypass.verify."""

    def judge(self, head: Any, peer: Peer) -> Plan:
        """Return the plan of a request without waiting.

        Raises NotLoadedError, and no other exception.
        """
        ...

    def judge_waiting(self, head: Any, peer: Peer) -> Plan:
        """Return the plan of a request on a thread that may wait."""
        ...

    def refuse(self, error: Exception, peer: Peer) -> Respond:
        """Return the answer to a request without a valid head.

        The head is malformed, too long, or was not received in time.
        """
        ...
