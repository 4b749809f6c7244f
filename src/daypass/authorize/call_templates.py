"""Templates of repeated calls that differ in the session name.

SDKs send the same AssumeRole again and again, with another session name each time. A template has what the calls of one
caller with one form have in common. Owns a bounded memory of templates, how long one is valid, and the authorization of
a call by its template. The rules:

- A template holds no decision. The engine decides each call, with the condition keys of this call.
- A template belongs to one form, one caller and the cached values that it was derived from, all compared by identity.
  A change of the caller's key or user, the role, a policy, the organization or the sealing keys makes the cache load a
  new value, so that the template is not used any more.
- The values are compared when a value has left the cache, and only then: otherwise all of them are there.
- Only a caller whose condition keys last (merged_requests.py) has templates: never one with a session or an MFA code.
  A web identity has one as well: each token is verified, and has the caller of an earlier one with the same identity.
- A call that is not allowed, or whose decision is too much work for the event loop, goes the whole way. It makes every
  refusal.
- A template is made after the whole way has allowed a call with the form, and only if the same caller sends it again:
  of more callers than there are places, each would pay for templates that it never uses.
- A caller with long policies has no template, so that the memory does not keep them after the cache has let them go.
- The answer of GetCallerIdentity follows from the caller alone, so it is kept for a caller with a long-term key.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from daypass.authenticate.caller import Caller
from daypass.authorize.context import RequestInfo, request_keys
from daypass.authorize.merged_requests import MOST_CHARACTERS, build_lasting_request, build_request, is_lasting
from daypass.bounded_memory import BoundedMemory
from daypass.directory.identity import AssumableRole
from daypass.directory.recorded_views import CachedValue, RecordedViews, are_present
from daypass.directory.store import Views, WouldBlockError
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.operations.operation import (
    MARKED_NAME,
    Authorized,
    EncodeEvent,
    NoPermissionNeeded,
    Result,
    SessionAnswers,
    StoreAccess,
    TemplatedSession,
)
from daypass.operations.parsed_requests import ParsedRequest
from daypass.operations.request_context import RequestContext
from daypass.policy.authorization_request import AuthorizationRequest, NewConditionKeys
from daypass.policy.decision import Allowed
from daypass.policy.evaluate import Policies, decide, is_light
from daypass.ports import Entropy
from daypass.wire.answer_template import make_answer_template

MOST_TEMPLATES: Final = 1024
_MOST_LONG, _LONG = 64, 1024  # templates of longer forms, in bytes
_NAME = "sts:rolesessionname"
_REQUEST_ID = "(request-id)"


# The parameters of a form and the caller, by identity, and the values of tags that are not among the parameters.
_Name = tuple[int, int, tuple[str, ...]]


class TemplateCheck(msgspec.Struct, frozen=True):
    """One permission with its lasting condition keys and policies."""

    action: str
    resource: str
    account: str
    keys: NewConditionKeys
    policies: Policies


class CallTemplate(msgspec.Struct):
    """The common part of calls, and the values that it was derived from.

    In `generation` of the cache, these values were present. Without `answers`, the calls have no template.
    """

    params: Any
    caller: Caller
    derived_from: tuple[CachedValue, ...]
    checks: tuple[TemplateCheck, ...]
    role: AssumableRole | None
    answers: SessionAnswers | None
    entropy: Entropy
    generation: int | None = None


class _CallerAnswer(msgspec.Struct, frozen=True):
    """The answer of a call that follows from the caller alone, with a place for the request id."""

    known: ParsedRequest
    caller: Caller
    document: str


class CacheAccess(Protocol):
    """The part of the pipeline's StoreView that templates need."""

    views: Views

    @property
    def generation(self) -> Callable[[], int | None]:
        """The function that returns the generation of the cached values, or None."""
        ...

    def open(
        self, access: StoreAccess, now: datetime, region: str, account: str = ""
    ) -> AbstractContextManager[RequestContext]:
        """Open the cache alone."""
        ...


class CallTemplates:
    """Remembers the templates of the forms and callers that came last."""

    def __init__(self, encode_event: EncodeEvent) -> None:
        self._encode_event = encode_event
        self._short: BoundedMemory[_Name, CallTemplate] = BoundedMemory(MOST_TEMPLATES)
        self._long: BoundedMemory[_Name, CallTemplate] = BoundedMemory(_MOST_LONG)
        # Callers, and values of tags, may never come again: only those that do get a template.
        self._seen: BoundedMemory[int, bool] = BoundedMemory(MOST_TEMPLATES)
        self._of_callers: BoundedMemory[tuple[int, int], _CallerAnswer] = BoundedMemory(MOST_TEMPLATES)

    def answer_caller(self, known: ParsedRequest, caller: Caller, request_id: str) -> bytes | None:
        """Return the answer of a call that follows from the caller alone, or None."""
        found = self._of_callers.get((id(known), id(caller)))
        if found is None or found.known is not known or found.caller is not caller:
            return None
        return (found.document % request_id).encode()

    def answer(
        self,
        known: ParsedRequest,
        caller: Caller,
        request_info: RequestInfo,
        request_id: str,
        views: Views,
        generation: int | None,
    ) -> tuple[bytes, bytes] | None:
        """Return the answer to a call, and the part of its audit event, or None.

        None means that the call has to go the whole way. `generation` is that of the cache, as for `find`.
        """
        template = self.find(known, caller, views, generation)
        if template is None or template.answers is None:
            return None
        authorized = authorize_by_template(template, known.session_name, request_info)
        if authorized is None:
            return None
        return template.answers.answer(authorized, known.session_name, request_info.now, request_id, template.entropy)

    def find(self, known: ParsedRequest, caller: Caller, views: Views, generation: int | None) -> CallTemplate | None:
        """Return the template of a call, or None.

        `generation` is that of the cache, read before. It is None on a worker thread, and if the cache is not fresh.
        """
        name = (id(known.params), id(caller), known.tag_values)
        found = self._short.get(name) or self._long.get(name)
        # The values are compared as well: an address may belong to another value by now.
        if found is None or found.params is not known.params or found.caller is not caller or generation is None:
            return None
        if found.generation != generation:
            if not are_present(found.derived_from, views):
                return None
            found.generation = generation
        return found

    def keep(
        self, known: ParsedRequest, caller: Caller, result: Result, request_info: RequestInfo, store_view: CacheAccess
    ) -> None:
        """Keep what an allowed call has in common with later ones.

        Does not keep anything on a worker thread. `known` was found in the cache of parsed requests, so the form has
        come before. may_have_template was asked.
        """
        if not _has_few_policies(caller):
            return
        if known.operation.answers_caller:
            if not self._comes_again((id(known), id(caller), ())):
                return
            # The caller has a long-term key: others are not the same object for each request.
            document = make_answer_template(known.call.model.render(result, _REQUEST_ID).decode(), (_REQUEST_ID,))
            self._of_callers.put((id(known), id(caller)), _CallerAnswer(known, caller, document))
            return
        generation = store_view.generation()
        if generation is not None:
            with suppress(WouldBlockError):
                if self.find(known, caller, store_view.views, generation) is None:
                    self._keep(known, caller, request_info, store_view)

    def _keep(self, known: ParsedRequest, caller: Caller, request_info: RequestInfo, store_view: CacheAccess) -> None:
        name = (id(known.params), id(caller), known.tag_values)
        if not self._comes_again(name):
            return
        with store_view.open(StoreAccess.CACHE, request_info.now, request_info.region, caller.account) as ctx:
            template = _make(known, caller, request_info, ctx, self._encode_event)
        if template is not None:
            # A template does not contain the proof.
            is_long = len(request_info.request.body) - len(known.proof) > _LONG
            memory = self._long if is_long else self._short
            memory.put(name, template)

    def _comes_again(self, name: _Name) -> bool:
        """Return whether a name came before, and remember it."""
        mark = hash(name)
        if self._seen.get(mark):
            return True
        self._seen.put(mark, value=True)
        return False


def authorize_by_template(
    template: CallTemplate, session_name: str, request_info: RequestInfo
) -> Authorized[Any] | None:
    """Return the parameters as authorized, or None.

    None means that the call has to go the whole way. The parameters lack the name of the session, which the decision
    has.
    """
    keys, principal = request_keys(request_info), template.caller.principal
    proof: tuple[Allowed, ...] = ()
    for check in template.checks:  # most calls have one
        context = {**keys, **check.keys, _NAME: session_name}
        request = AuthorizationRequest(check.action, check.resource, check.account, principal, context)
        if not is_light(request, check.policies):
            return None
        decision = decide(request, check.policies)
        if not isinstance(decision, Allowed):
            return None
        proof += (decision,)
    return Authorized(template.params, template.caller, proof, template.role)


def may_have_template(known: ParsedRequest, caller: Caller) -> bool:
    """Return whether the calls of a form and a caller may have a template."""
    operation = known.operation
    if caller.session is not None or not (known.session_name or operation.answers_caller) or known.call.wants_json:
        return False
    if operation.answers_caller:
        return type(caller) is Caller and caller.mfa_at is None
    if not isinstance(operation, TemplatedSession):
        return False
    return operation.has_lasting_caller(caller) if known.proof else is_lasting(caller)


def _make(
    known: ParsedRequest, caller: Caller, request_info: RequestInfo, ctx: RequestContext, encode_event: EncodeEvent
) -> CallTemplate | None:
    """Return the template, one without answers, or None if the next call shall try again."""
    operation: Any = known.operation
    recorded, vault = RecordedViews(ctx.views), ctx.vault
    ctx = msgspec.structs.replace(ctx, views=recorded, load_sealing_ring=lambda: recorded.get(load_sealing_ring, vault))
    params = operation.with_proof(known.params, known.proof) if known.proof else known.params
    params = operation.with_session_name(params, MARKED_NAME)
    if known.tag_values:
        params = operation.with_tag_values(params, known.tag_places, known.tag_values)
    needed = operation.permissions(params, caller, ctx)
    if isinstance(needed, NoPermissionNeeded) or not needed:
        return None
    # A caller with a proof has no condition keys of its own.
    build = build_lasting_request if is_lasting(caller) else build_request
    checks, answers = [], None
    for check in needed:
        request, policies = build(check, caller, {}, recorded)
        checks.append(TemplateCheck(check.action, check.resource, check.account, dict(request.context), policies))
    if all(map(_is_plain, checks)):
        for kept in checks:
            del kept.keys[_NAME]
        draft = CallTemplate(known.params, caller, (), tuple(checks), needed[0].role, None, ctx.entropy)
        authorized = authorize_by_template(draft, known.session_name, request_info)
        if authorized is None:
            return None
        whole = msgspec.structs.replace(authorized, params=params)
        answers = operation.make_template(known.call.model, whole, ctx, encode_event)
    # A value that is the same object at each load would not show that it has left the cache.
    if any(value is None or isinstance(value, bool) for _, _, value in recorded.read):
        return None
    if answers is None:  # it keeps no policies alive
        return CallTemplate(known.params, caller, (), (), None, None, ctx.entropy)
    return CallTemplate(known.params, caller, tuple(recorded.read), tuple(checks), needed[0].role, answers, ctx.entropy)


def _has_few_policies(caller: Caller) -> bool:
    return caller.identity is None or caller.identity.policies.characters <= MOST_CHARACTERS


def _is_plain(check: TemplateCheck) -> bool:
    """Return whether the name of the session is in one condition key alone, and the policies are few."""
    others = [value for key, value in check.keys.items() if key != _NAME]
    return (
        check.keys.get(_NAME) == MARKED_NAME
        and all(MARKED_NAME not in value for value in others)
        and check.policies.characters <= MOST_CHARACTERS
    )
