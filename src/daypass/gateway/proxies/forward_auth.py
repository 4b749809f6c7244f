"""Answer the questions of proxies whether a request may go on.

Owns `/verify` and `/denied` on the listener for proxies. Its rules:

- Only the addresses of trusted proxies may ask, because the answer rests on headers that they write.
- `/verify?service=NAME` judges by the routes of one service. Without `service`, the only service counts; if there are
  several, their routes with a host, because a path of one service may exist at another. The parameter `service=s3` asks
  the judge of the S3 gateway; a route cannot have that service.
- 200 lets the request go on. For a service, X-Daypass-Arn, -Account, -User-Id and -Content-Sha256 describe the caller
  and the verified hash of the body, which the proxy has not seen: a service that acts on a body compares its hash.
- For S3, 200 means that the proxy may send the request to the store, with the re-signed headers X-Daypass-Up-…. Only
  reads without a body may. 403 with `X-Daypass-Route: gateway` means that the gateway's own listener must serve the
  request: it is allowed and needs the gateway, or it is refused.
- 401 and 403 refuse. A question with X-Original-… gets no other status for a refusal, because nginx would turn it into
  500; `/denied` then repeats the judgement and answers with the status and the body for the client.
- A request without a route is refused. So is a body whose hash is not signed.

Leaves the shape of a question to original_request.py.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from daypass.audit.event import AuditRecord, DataEvent
from daypass.errors import Fault, SenderFault, Throttling
from daypass.gateway.plan import Forward, HeaderPairs, PassAnswer, Peer, Respond
from daypass.gateway.proxies.original_request import DENIED_PATH, PATH, OriginalRequest, rebuild
from daypass.http.peer import PeerRule
from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import RequestHead, parse_head
from daypass.verify.keys import NotLoadedError
from daypass.verify.payload import EMPTY_SHA256
from daypass.verify.refusals import HeadError, VerifyError
from daypass.verify.services.answers import ServiceAnswer, answer_error, answer_fault, answer_no_route
from daypass.verify.services.service import MOST_LOADS, TOO_MANY_LOADS, RefusedRequestError, RequestOrigin, ServiceRules
from daypass.wire.http import HttpRequest

S3 = "s3"
_OK, _UNAUTHORIZED, _FORBIDDEN, _FIRST_REFUSAL, _MISSING = 200, 401, 403, 400, 404
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
_READS = frozenset({"GET", "HEAD"})
# The headers of a re-signed request that a proxy can set from the answer, and those that it sends on as they are.
_UP = {
    b"host": b"x-daypass-up-host",
    b"authorization": b"x-daypass-up-authorization",
    b"x-amz-date": b"x-daypass-up-date",
    b"x-amz-content-sha256": b"x-daypass-up-content-sha256",
}
_SENT_ON = frozenset(
    {
        b"range",
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
        b"if-range",
        b"x-amz-checksum-mode",
    }
)
_TO_STORE = (b"x-daypass-route", b"store")
_TO_GATEWAY: HeaderPairs = ((b"x-daypass-route", b"gateway"),)
_NOT_A_PROXY = ServiceAnswer(
    403, "AccessDeniedException", "This address is not a trusted proxy. Set DAYPASS_TRUSTED_PROXIES."
)
_INTERNAL = ServiceAnswer(500, "InternalFailure", "The request could not be verified.")


class JudgesS3(msgspec.Struct, frozen=True):
    """The judge of the S3 gateway, on the event loop and on a worker thread."""

    judge: Callable[[RequestHead, Peer], Any]
    judge_waiting: Callable[[RequestHead, Peer], Any]


class ForwardAuthParts(msgspec.Struct, frozen=True):
    """What the answers are made of.

    `services` has the rules of each service by name. `proxies` are the addresses that may ask, and `record` takes the
    audit record of each answer. `question_allowed` is that of JudgeParts.
    """

    services: Mapping[str, ServiceRules]
    proxies: PeerRule
    now: Callable[[], datetime]
    new_request_id: Callable[[], str]
    record: Callable[[AuditRecord], None]
    report_bug: Callable[[str, Exception], None]
    question_allowed: Callable[[str], bool]
    s3: JudgesS3 | None = None


class ServiceExchange:
    """One question about a service: its id, and its audit event."""

    operation = ""  # of S3

    def __init__(self, parts: ForwardAuthParts, peer: Peer, *, silent: bool = False) -> None:
        self._parts = parts
        self._silent = silent
        self.at = parts.now()
        self.request_id = parts.new_request_id()
        self.peer = peer
        self.head: RequestHead | None = None
        self.service = self.action = self.region = ""
        self.caller: VerifiedCaller | None = None
        self.refused: ServiceAnswer | None = None
        self.detail = ""

    def refuse(self, error: Exception) -> Respond:
        """Return the answer for an error of the connection."""
        return self.answer(answer_error(error) if isinstance(error, VerifyError) else _INTERNAL)

    def answer(self, refused: ServiceAnswer) -> Respond:
        """Return a refusal with the status for the client."""
        self.refused = refused
        headers = tuple((name.encode(), value.encode()) for name, value in refused.headers if name != "content-length")
        return Respond(self, refused.status, headers, refused.body)

    def done(self, *, status: int, bytes_in: int, bytes_out: int) -> None:
        """Write the audit event."""
        del status, bytes_in, bytes_out
        if self._silent:
            return
        caller, refused = self.caller, self.refused
        self._parts.record(
            AuditRecord(
                self.at,
                self.request_id,
                _http_request(self.head, self.peer),
                self.service,
                self.action or "VerifyRequest",
                self.region,
                "" if caller is None else caller.access_key_id,
                None,
                {},
                None if refused is None else RefusedServiceError(refused, self.detail),
                DataEvent(caller, self.head is not None and self.head.method in _READS),
            )
        )


class RefusedServiceError(SenderFault):
    """A refusal in an audit event."""

    def __init__(self, refused: ServiceAnswer, detail: str) -> None:
        super().__init__(refused.message, detail=detail)
        self.code = refused.type  # type: ignore[misc] # one class for all codes of services


class _SilentExchange:
    """An exchange whose event another listener writes."""

    operation = ""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id

    def refuse(self, error: Exception) -> Respond:
        """Return a refusal of the connection."""
        del error
        return Respond(self, _FORBIDDEN, (), b"")

    def done(self, *, status: int, bytes_in: int, bytes_out: int) -> None:
        """Do not write an event."""


class ForwardAuthJudge:
    """The judge of the listener for proxies. Every plan is an answer."""

    def __init__(self, parts: ForwardAuthParts) -> None:
        self._parts = parts

    def judge(self, head: RequestHead, peer: Peer) -> Respond:
        """Return the answer without waiting. Raises NotLoadedError."""
        return self._answer(head, peer, may_wait=False)

    def judge_waiting(self, head: RequestHead, peer: Peer) -> Respond:
        """Return the answer on a thread that may wait."""
        return self._answer(head, peer, may_wait=True)

    def refuse(self, error: Exception, peer: Peer) -> Respond:
        """Return the answer to a question without a valid head."""
        return ServiceExchange(self._parts, peer).refuse(error)

    def _answer(self, question: RequestHead, peer: Peer, *, may_wait: bool) -> Respond:
        parts = self._parts
        if not parts.proxies.is_trusted(peer.address):
            return ServiceExchange(parts, peer).answer(_NOT_A_PROXY)
        is_denied = question.path == DENIED_PATH
        head = msgspec.structs.replace(question, path=PATH) if is_denied else question
        client = _client(parts.proxies, peer, question.headers)
        exchange = ServiceExchange(parts, client, silent=is_denied)
        try:
            original = rebuild(head)
            exchange.head = original.head
            service = _service(head)
            if service == S3 and not is_denied:  # /denied answers the client, who must not get a signed request
                return self._about_s3(original, client, may_wait=may_wait)
            answer = self._about_service(service, original, exchange, may_wait=may_wait)
        except VerifyError as error:
            answer = exchange.answer(answer_error(error))
        is_strict = not is_denied and b"x-original-uri" in question.headers
        if is_denied and answer.status < _FIRST_REFUSAL:
            return exchange.answer(answer_no_route(original.head.method))  # a right that came between two questions
        return _for_nginx(answer) if is_strict else answer

    # Services of one's own ----------------------------------------------------------------------------------

    def _about_service(
        self, service: str, original: OriginalRequest, exchange: ServiceExchange, *, may_wait: bool
    ) -> Respond:
        try:
            for _ in range(MOST_LOADS):
                try:
                    return self._judged(service, original, exchange, may_wait=may_wait)
                except NotLoadedError as missing:
                    if not may_wait:
                        raise
                    if missing.is_new and not self._parts.question_allowed(exchange.peer.address):
                        raise Throttling("Rate exceeded", detail="throttled: too many new names") from None
                    missing.load()
        except RefusedRequestError as refused:
            return exchange.answer(refused.answer)
        except VerifyError as error:
            exchange.detail = "" if error.fault is None else error.fault.detail
            return exchange.answer(answer_error(error))
        except Fault as fault:
            exchange.detail = fault.detail
            return exchange.answer(answer_fault(fault))
        except NotLoadedError:
            raise
        except Exception as bug:  # noqa: BLE001 - every question gets an answer
            self._parts.report_bug(exchange.request_id, bug)
            return exchange.answer(_INTERNAL)
        return exchange.answer(TOO_MANY_LOADS)

    def _judged(self, service: str, original: OriginalRequest, exchange: ServiceExchange, *, may_wait: bool) -> Respond:
        head = original.head
        exchange.service, rules = self._rules(service, head)
        verified = rules.verify(head, exchange.at, None if _may_have_body(original) else EMPTY_SHA256)
        exchange.caller, exchange.region = verified.caller, verified.scope.split("/")[1]
        origin = RequestOrigin(exchange.peer.address, exchange.peer.secure)
        check = rules.prepare(head, verified, exchange.at, origin)
        exchange.action = check.request.action.partition(":")[2]
        if not check.light and not may_wait:
            raise NotLoadedError(_load_nothing)
        check.require_allowed()
        caller = verified.caller
        return Respond(
            exchange,
            _OK,
            (
                (b"x-daypass-arn", caller.arn.encode()),
                (b"x-daypass-account", caller.account.encode()),
                (b"x-daypass-user-id", caller.user_id.encode()),
                (b"x-daypass-content-sha256", verified.payload.value.encode()),
            ),
            b"",
        )

    def _rules(self, service: str, head: RequestHead) -> tuple[str, ServiceRules]:
        """Return the rules of the service, or of the one with a route for the host. Raises RefusedRequestError."""
        services = self._parts.services
        if service:
            rules = services.get(service)
            if rules is None:
                raise RefusedRequestError(answer_no_route(head.method))
            return service, rules
        several = len(services) > 1
        found = [(name, rules) for name, rules in services.items() if rules.has_route(head, needs_host=several)]
        if len(found) != 1:
            raise RefusedRequestError(answer_no_route(head.method))
        return found[0]

    # S3 -----------------------------------------------------------------------------------------------------

    def _about_s3(self, original: OriginalRequest, client: Peer, *, may_wait: bool) -> Respond:
        s3 = self._parts.s3
        silent = _SilentExchange(self._parts.new_request_id())
        if s3 is None:
            return Respond(silent, _FORBIDDEN, (), b"")
        plan = (s3.judge_waiting if may_wait else s3.judge)(original.head, client)
        if isinstance(plan, Respond) and plan.status >= _FIRST_REFUSAL:
            return Respond(silent, _FORBIDDEN, _TO_GATEWAY, b"")
        up = _up_headers(plan) if isinstance(plan, Forward) else None
        if up is None:
            return Respond(silent, _FORBIDDEN, _TO_GATEWAY, b"")
        return Respond(plan.exchange, _OK, (_TO_STORE, *up), b"")


def _up_headers(plan: Forward) -> HeaderPairs | None:
    """Return the re-signed request as headers, or None if it must pass through the gateway."""
    if plan.body is not None or not isinstance(plan.answer.begin(_OK, ()), PassAnswer):
        return None
    head = parse_head(plan.head.removesuffix(b"\r\n\r\n"))
    if head.method not in _READS:
        return None
    found: list[tuple[bytes, bytes]] = [(b"x-daypass-up-uri", head.target)]
    for name, value in head.headers.items():
        if name in _UP:
            found.append((_UP[name], value))
        elif name not in _SENT_ON:
            return None
    return tuple(found)


def _client(proxies: PeerRule, peer: Peer, headers: Mapping[bytes, bytes]) -> Peer:
    names = (b"x-forwarded-for", b"x-forwarded-proto")
    pairs = [(name, headers[name]) for name in names if name in headers]
    address, secure = proxies.resolve(peer.address, secure=peer.secure, headers=pairs)
    return Peer(address, secure)


def _service(question: RequestHead) -> str:
    """Return the service of a question, or an empty string. Raises HeadError."""
    if question.path != PATH or not question.query:
        return ""  # Envoy's question has the client's own query
    found = parse_qs(question.query.decode("latin-1"), keep_blank_values=True)
    if set(found) != {"service"} or len(found["service"]) != 1:
        raise HeadError("A question has one parameter: service.")
    return found["service"][0]


def _may_have_body(original: OriginalRequest) -> bool:
    head = original.head
    if head.chunked or head.content_length:
        return True
    return not original.has_known_length and head.method not in _BODILESS


def _for_nginx(answer: Respond) -> Respond:
    if answer.status < _FIRST_REFUSAL or answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
        return answer
    return msgspec.structs.replace(answer, status=_FORBIDDEN)


def _load_nothing() -> None:
    """Nothing is missing: the decision itself takes long."""


def _http_request(head: RequestHead | None, peer: Peer) -> HttpRequest:
    if head is None:
        return HttpRequest("", b"/", b"", (), b"", peer.address, peer.secure)
    agent = head.headers.get(b"user-agent")
    headers = () if agent is None else ((b"user-agent", agent),)
    return HttpRequest(head.method, head.path, b"", headers, b"", peer.address, peer.secure)
