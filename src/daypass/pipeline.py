"""The whole life of one request, in order. Read this file first.

A request is one walk through named stages that exchange values; a stage never calls the next one:

    decode -> authenticate -> admit -> parse -> prove -> authorize -> run -> render -> record

`Pipeline.answer` is a plain function of a request. It does no waiting of its own: on the server's event loop it is
given a face of the store that raises WouldBlock when it would have to wait, and the edge (http/) then calls it again
on a worker thread, where waiting is allowed. Nothing was done and nothing is recorded before it returns.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec

from daypass.audit.event import HIDDEN, Happening
from daypass.audit.required import RequiredLog
from daypass.authenticate.authenticate import Lookup, Signer, authenticate
from daypass.authenticate.caller import Caller
from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.find import find_signature
from daypass.authorize.authorize import authorize
from daypass.authorize.context import Surroundings
from daypass.authorize.session_limits import admit
from daypass.directory.store import Views, WouldBlock
from daypass.errors import Blame, Fault, InternalFailure, Throttling
from daypass.federation.oidc.identify import KeysNeeded
from daypass.mint.keyring import SealingRing
from daypass.operations.operation import AnyOperation, Touches, is_read_only
from daypass.operations.readings import Reading, Readings
from daypass.operations.registry import Registry
from daypass.operations.world import World
from daypass.wire.catalog import Catalog
from daypass.wire.decode import Call, decode, is_json_wanted
from daypass.wire.faults import render_fault
from daypass.wire.http import HttpRequest, HttpResponse
from daypass.wire.render import render


class Face(Protocol):
    """The store as one thread may see it: the event loop's face raises WouldBlock, a worker's face waits."""

    views: Views

    def admits(self, peer: str) -> bool:
        """Tell whether a peer may make one more unsigned call, and count it. A call is counted by its first face."""
        ...

    def admits_failure(self, peer: str) -> bool:
        """Tell whether a peer may have one more call refused for what it says of its signer, and count it."""
        ...

    def ring(self) -> SealingRing:
        """Return the keys that seal and open tokens now."""
        ...

    def wait(self) -> None:
        """Raise WouldBlock on the event loop, and return where waiting is allowed."""
        ...

    def open(self, touches: Touches, now: datetime, region: str, account: str = "") -> AbstractContextManager[World]:
        """Open what an operation may touch: nothing, one snapshot, or one transaction, for a signer's account."""
        ...


class Trail(msgspec.Struct):
    """How far a request has come, for the record."""

    call: Call | None = None
    access_key_id: str = ""
    signer: Signer | None = None
    caller: Caller | None = None
    parameters: Mapping[str, Any] | None = None
    fault: Fault | None = None
    is_counted: bool = False
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages, with what they need for every request."""

    catalog: Catalog
    registry: Registry
    keychain: Keychain
    is_region: Callable[[str], bool]
    home_region: str
    now: Callable[[], datetime]
    record: Callable[[Happening], None]
    report_bug: Callable[[str, Exception], None]
    regions: frozenset[str] = frozenset()
    required_log: RequiredLog | None = None
    readings: Readings = field(default_factory=lambda: Readings(HIDDEN))
    _services: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: {"sts": frozenset({"sts"}), "iam": frozenset({"iam"})}
    )

    def answer(self, request: HttpRequest, request_id: str, face: Face) -> HttpResponse:
        """Return the answer to one request, whatever it holds.

        Raises WouldBlock and KeysNeeded alone, before anything is done. After KeysNeeded the edge fetches the keys
        and calls `answer_at_last`.
        """
        return self._answer(request, request_id, face, (WouldBlock, KeysNeeded))

    def answer_at_last(self, request: HttpRequest, request_id: str, face: Face) -> HttpResponse:
        """Return the answer to a request for which keys were fetched. Those that are still missing refuse it."""
        return self._answer(request, request_id, face, (WouldBlock,))

    def _answer(
        self, request: HttpRequest, request_id: str, face: Face, passed_on: tuple[type[Exception], ...]
    ) -> HttpResponse:
        now, trail = self.now(), Trail()
        try:
            response = self._walk(request, request_id, face, now, trail)
        except passed_on:
            raise
        except Fault as fault:
            trail.fault = _without_frames(_held_back(fault, request, face, trail))
            response = refuse(trail.fault, request, request_id, trail.call)
        except Exception as bug:  # noqa: BLE001 - a bug of ours is answered with a request id, never with a traceback
            self.report_bug(request_id, bug)
            trail.fault = InternalFailure("The request failed because of an unknown error.", detail=type(bug).__name__)
            response = refuse(trail.fault, request, request_id, trail.call)
        happening = self._happening(request, request_id, now, trail)
        if trail.is_recorded and trail.fault is None and self.required_log is not None:
            self.required_log.count(happening)
        else:
            self.record(happening)
        return response

    def record_first(self, happening: Happening) -> None:
        """Record what is about to be answered outside of the pipeline, before it is where the log is required.

        Raises ServiceUnavailable where it cannot be recorded. May wait.
        """
        if self.required_log is None:
            self.record(happening)
        else:
            self.required_log.record(happening)
            self.required_log.count(happening)

    def _walk(self, request: HttpRequest, request_id: str, face: Face, now: datetime, trail: Trail) -> HttpResponse:
        known = self.readings.find(request)
        call = trail.call = decode(request, self.catalog) if known is None else known.call
        operation = self.registry.find(call.service, call.action) if known is None else known.operation
        signer = trail.signer = self._authenticate(operation, request, call, face, now, trail)
        if signer is not None:
            admit(signer, call.service, call.action, regions=self.regions)
        else:
            trail.is_counted = True
            if not face.admits(request.peer):
                raise Throttling("Rate exceeded")
        if known is None:
            self.registry.require_supported(call.operation, call.params)
            parameters = trail.parameters = call.operation.parse(call.params)
            asked = operation.parse(parameters)
            self.readings.keep(request, Reading(call, operation, parameters, asked))
        else:
            trail.parameters = known.parameters
            asked = known.understood()
        region = signer.region if signer else self.home_region
        touches = operation.touches(asked)
        required = None if self.required_log is None or is_read_only(operation, touches) else self.required_log
        if required is not None:
            face.wait()
            required.require()
        account = signer.caller.account if signer else ""
        with face.open(touches, now, region, account) as world:
            trail.caller = signer.caller if signer else None
            caller = trail.caller = operation.prove(asked, trail.caller, world)
            around = Surroundings(now, request, region)
            authorized = authorize(operation, asked, caller, around, world)
            result = operation.run(authorized, world)
            if required is not None:
                # Within the transaction: where the event cannot be written, nothing is kept.
                required.record(self._happening(request, request_id, now, trail))
                trail.is_recorded = True
        return render(call, result, request_id)

    def _authenticate(
        self,
        operation: AnyOperation,
        request: HttpRequest,
        call: Call,
        face: Face,
        now: datetime,
        trail: Trail,
    ) -> Signer | None:
        if not operation.signed:
            return None
        unverified = find_signature(request, form_params=call.params)
        trail.access_key_id = unverified.access_key_id
        lookup = Lookup(face.views, self.keychain, face.ring, self.is_region, now)
        return authenticate(unverified, request, services=self._services[call.service], lookup=lookup)

    def _happening(self, request: HttpRequest, request_id: str, now: datetime, trail: Trail) -> Happening:
        call, signer = trail.call, trail.signer
        return Happening(
            now,
            request_id,
            request,
            call.service if call else "",
            call.action if call else "",
            signer.region if signer else self.home_region,
            trail.access_key_id,
            trail.caller or (signer.caller if signer else None),
            trail.parameters,
            trail.fault,
        )


def _held_back(fault: Fault, request: HttpRequest, face: Face, trail: Trail) -> Fault:
    """Return what to answer to a refused call: Throttling, where its peer has had too many without a proven caller.

    Whether a signature holds is known only after the check. So the failures are counted, and good calls from the same
    address go on at any rate, whoever fails beside them.
    """
    if trail.signer is not None or trail.is_counted or fault.blame is not Blame.SENDER:
        return fault
    if face.admits_failure(request.peer):
        return fault
    throttling = Throttling("Rate exceeded", detail=f"held back: {fault.code}")
    throttling.names_known_key, throttling.key_account = fault.names_known_key, fault.key_account
    return throttling


def _without_frames(fault: Fault) -> Fault:
    """Return a fault without tracebacks, its own and those of the errors that led to it.

    They lead back to the trail, and such a ring would keep the whole request until a search for cycles.
    """
    fault.__cause__ = fault.__context__ = None
    return fault.with_traceback(None)


def refuse(fault: Fault, request: HttpRequest, request_id: str, call: Call | None = None) -> HttpResponse:
    """Return a refusal in the form that the client wants."""
    return render_fault(
        fault,
        request_id=request_id,
        service=None if call is None else call.service,
        wants_json=is_json_wanted(request),
    )
