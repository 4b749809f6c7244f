"""Templates of repeated GetRoleCredentials.

A program renews the credentials of one role with one access token. A template has what these calls have in common. Owns
a bounded memory of templates, and the answer to a call by its template. The rules are those of
authorize/call_templates.py, and these:

- A template belongs to the hash of one access token, one query, and the cached values that it was derived from, all
  compared by identity: the sign-in, its provider, the token family, the identity, the role, the organization and the
  sealing keys. The end of a sign-in on any node makes the cache drop its value.
- Each call compares the hash of the token and its expiry, and is decided by the engine with its own condition keys.
- The call writes the two events of the whole way.
- A template is used only until the sign-in would shorten the session.
- The whole way serves a person whose role is open through several providers, and one whose token is verified with
  fetched keys.
- A template is made after the whole way has answered the same call twice.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from daypass.audit.event import AuditRecord
from daypass.audit.response_elements import encode_answer
from daypass.audit.user_identity import UserIdentity
from daypass.authenticate.caller import Caller
from daypass.authorize.call_templates import CallTemplate, TemplateCheck, authorize_by_template
from daypass.authorize.context import RequestInfo
from daypass.authorize.merged_requests import MOST_CHARACTERS, build_request
from daypass.bounded_memory import BoundedMemory
from daypass.directory.entities.sign_in_entities import SignInSession, TokenFamily
from daypass.directory.identity import AssumableRole
from daypass.directory.recorded_views import CachedValue, RecordedViews, are_present
from daypass.directory.store import RecordMissingError, Views, WouldBlockError
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.errors import Fault
from daypass.federation.oidc.identify import KeysNeededError
from daypass.operations.oidc_clients import listed_clients
from daypass.operations.operation import Authorized, PermissionCheck, Result
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.assume_role_template import MARKED_END, written_end
from daypass.operations.sts.assume_role_with_saml import SamlCaller
from daypass.operations.sts.credentials import Grant, GrantTemplate, make_grant_template, mint_by_template
from daypass.operations.sts.role_session import read_role_arn
from daypass.pipeline import Pipeline
from daypass.sign_in.audited_people import person_of
from daypass.sign_in.proofs import identity_bytes, saml_identity
from daypass.sign_in.signed_in_operations import chain_of
from daypass.sign_in.take_role import RoleCall, find_provider, role_call
from daypass.sign_in.token_families import find_by_access, is_access
from daypass.sso.portal_api import GetRoleCredentials, GetRoleCredentialsParams, role_arn, session_of
from daypass.sso.rest_action import RestCall
from daypass.wire.answer_template import make_answer_template
from daypass.wire.http import HttpRequest
from daypass.wire.response_shapes import xml_seconds

MOST_ROLES: Final = 1024
_LONGEST_QUERY, _LARGEST_IDENTITY = 1_024, 16_384  # bytes
_TOKEN = b"x-amz-sso_bearer_token"
_REQUEST_ID = "(request-id)"
_KEY_ID, _SECRET, _SESSION_TOKEN, _MILLISECONDS = "(access-key-id)", "(secret)", "(token)", 111_222_333_444
_REFUSALS = (WouldBlockError, KeysNeededError, RecordMissingError, Fault)

# The hash of the access token, and the query.
_RoleName = tuple[bytes, bytes]
_Render = Callable[[Mapping[str, Any]], bytes]


class _Usual(msgspec.Struct, frozen=True):
    """The common part of calls that the template answers.

    They come after the second `after`, and until `last`.
    """

    family: TokenFamily
    authorization: CallTemplate
    call: RoleCall
    sign_in: Mapping[str, str]
    person: UserIdentity
    recorded: Mapping[str, Any]
    grant: GrantTemplate
    document: str
    role_event: str
    event: str
    is_shared: bool
    after: int
    last: datetime


class _RoleTemplate(msgspec.Struct):
    """A template, and the values that it was derived from. Without `usual`, the calls go the whole way."""

    derived_from: tuple[CachedValue, ...]
    usual: _Usual | None
    generation: int | None = None


class RoleCredentialsTemplates:
    """Remembers the templates of the access tokens and roles that came last."""

    def __init__(self) -> None:
        self._templates: BoundedMemory[_RoleName, _RoleTemplate] = BoundedMemory(MOST_ROLES)
        self._seen: BoundedMemory[int, bool] = BoundedMemory(MOST_ROLES)

    def answer(
        self, request: HttpRequest, request_id: str, pipeline: Pipeline, views: Views, generation: int | None
    ) -> bytes | None:
        """Return the body of the answer to a call, or None.

        None means that the call has to go the whole way. `generation` is that of the cache, read before.
        """
        name = _name_of(request)
        template = None if name is None else self.find(name, views, generation)
        usual = None if template is None else template.usual
        if name is None or usual is None:
            return None
        now = pipeline.now()
        seconds = int(now.timestamp())
        # The sign-in is alive until later than `last`.
        if seconds <= usual.after or now > usual.last or not is_access(usual.family, name[0], now):
            return None
        authorization, region = usual.authorization, pipeline.home_region
        session_name = usual.call.parameters["RoleSessionName"]
        authorized = authorize_by_template(authorization, session_name, RequestInfo(now, request, region))
        if authorized is None:
            return None
        key_id, secret, expires, token = mint_by_template(
            usual.grant, authorized, session_name, seconds, authorization.entropy
        )
        call, operation = usual.call, usual.call.operation
        caller, parameters, sign_in = authorized.caller, call.parameters, call.sign_in
        issued = (key_id, written_end(expires))
        role_event = usual.role_event % ((*issued, request_id) if usual.is_shared else issued)
        event = usual.event % (key_id, expires * 1_000)
        pipeline.record(
            AuditRecord(
                now, request_id, request, operation.service, operation.action, region, "", caller, parameters,
                None, None, sign_in, None, role_event.encode(),
            )
        )  # fmt: skip
        pipeline.record(
            AuditRecord(
                now, request_id, request, GetRoleCredentials.service, GetRoleCredentials.name, region, "", None,
                usual.recorded, None, None, usual.sign_in, None, event.encode(), usual.person,
            )
        )  # fmt: skip
        return (usual.document % (key_id, secret, token, expires * 1_000)).encode()

    def find(self, name: _RoleName, views: Views, generation: int | None) -> _RoleTemplate | None:
        """Return the template of a call, or None."""
        found = self._templates.get(name)
        if found is None or generation is None:
            return None
        if found.generation != generation:
            with suppress(*_REFUSALS):
                if are_present(found.derived_from, views):
                    found.generation = generation
                    return found
            return None
        return found

    def keep(self, params: GetRoleCredentialsParams, call: RestCall, render: _Render) -> None:
        """Keep what an answered call has in common with later ones.

        `call` has the context of the event loop.
        """
        request, views = call.request, call.store_view.views
        name, generation = _name_of(request), call.store_view.generation()
        if name is None or generation is None or self.find(name, views, generation) is not None:
            return
        if not self._seen.get(hash(name)):
            self._seen.put(hash(name), value=True)
            return
        with suppress(*_REFUSALS):
            self._templates.put(name, _make(params, call, render))


def _name_of(request: HttpRequest) -> _RoleName | None:
    """Return the name of a plain call with one access token, or None."""
    by_name = request.by_name
    if by_name is None or _TOKEN not in by_name or request.body or len(request.query) > _LONGEST_QUERY:
        return None
    return hashlib.sha256(by_name[_TOKEN]).digest(), request.query


def _make(params: GetRoleCredentialsParams, call: RestCall, render: _Render) -> _RoleTemplate:
    """Return the template of calls like one that was answered, or one without answers."""
    recorded, vault = RecordedViews(call.ctx.views), call.ctx.vault
    ctx = msgspec.structs.replace(
        call.ctx, views=recorded, load_sealing_ring=lambda: recorded.get(load_sealing_ring, vault)
    )
    usual = _make_usual(params, msgspec.structs.replace(call, ctx=ctx, recorded={}), render)
    # A value that is the same object at each load would not show that it has left the cache.
    if any(value is None or isinstance(value, bool) or value in ("", ()) for _, _, value in recorded.read):
        usual = None
    return _RoleTemplate(tuple(recorded.read), usual)


def _make_usual(params: GetRoleCredentialsParams, call: RestCall, render: _Render) -> _Usual | None:
    ctx, session = call.ctx, session_of(params, call)
    found = find_by_access(params.access_token, ctx)
    role = read_role_arn(role_arn(params, ctx))
    provider = _provider_of(session, role.arn, call)
    if found is None or provider is None:
        return None
    taken = role_call(session, role, provider, None, GetRoleCredentials.name)
    operation: Any = taken.operation
    caller = operation.verify_identity(taken.params, None, ctx)
    needed = operation.permissions(taken.params, caller, ctx)
    checks = tuple([_check(each, caller, ctx) for each in needed])
    if any(check.policies.characters > MOST_CHARACTERS for check in checks):
        return None
    authorization = CallTemplate(taken.params, caller, (), checks, needed[0].role, None, ctx.entropy)
    info = RequestInfo(ctx.now, call.request, ctx.region)
    authorized = authorize_by_template(authorization, session.session_name, info)
    if authorized is None:
        return None
    (grant, result), chain = _grant_of(operation, authorized, ctx), chain_of(session)
    last = _end_of(session, caller) - timedelta(seconds=grant.seconds + 1)
    if ctx.now > last:
        return None
    is_shared = needed[0].role is not None and caller.account not in {"", needed[0].role.account}
    try:
        template, document = make_grant_template(grant, caller, ctx, chain), _document(render)
        role_event, event = _role_event(result, needed[0].role, caller.account, is_shared=is_shared), _event()
    except ValueError:
        return None
    recorded = {"accountId": params.account_id, "roleName": params.role_name}
    sign_in = {"SignInId": session.id}
    return _Usual(
        found[0],
        authorization,
        taken,
        sign_in,
        person_of(session),
        recorded,
        template,
        document,
        role_event,
        event,
        is_shared,
        max(chain.times),
        last,
    )


def _check(check: PermissionCheck, caller: Caller, ctx: RequestContext) -> TemplateCheck:
    """Return a check with its lasting condition keys: a caller with a proof has no keys of its own."""
    built, policies = build_request(check, caller, {}, ctx.views)
    return TemplateCheck(check.action, check.resource, check.account, dict(built.context), policies)


def _grant_of(operation: Any, authorized: Authorized[Any], ctx: RequestContext) -> tuple[Grant, Result]:
    """Return the grant that the operation would mint now, and its answer with marks."""
    grants: list[Grant] = []

    def mark(grant: Grant, _authorized: Authorized[Any], _ctx: RequestContext) -> dict[str, Any]:
        grants.append(grant)
        return {"AccessKeyId": _KEY_ID, "SessionToken": _SESSION_TOKEN, "Expiration": MARKED_END}

    result = operation.grant(authorized, ctx, mark)
    return grants[0], result


def _end_of(session: SignInSession, caller: Caller) -> datetime:
    """Return the end of each session, at the latest."""
    ends = caller.claims.session_ends if isinstance(caller, SamlCaller) else None
    return session.ends if ends is None else min(ends, session.ends)


def _role_event(result: Result, role: AssumableRole | None, account: str, *, is_shared: bool) -> str:
    """Return the part of the role's event for the answer as a format. Raises ValueError if it has other places."""
    marks = (_KEY_ID, xml_seconds(MARKED_END), *([_REQUEST_ID] if is_shared else []))
    return make_answer_template(encode_answer(result, role, account, _REQUEST_ID).decode(), marks)


def _event() -> str:
    """Return the part of our own event for the answer as a format."""
    found = {"roleCredentials": {"accessKeyId": _KEY_ID, "expiration": _MILLISECONDS}}
    return make_answer_template(encode_answer(found).decode(), (_KEY_ID, str(_MILLISECONDS)))


def _document(render: _Render) -> str:
    """Return the answer as a format. Raises ValueError if it has other places."""
    found = {
        "accessKeyId": _KEY_ID,
        "secretAccessKey": _SECRET,
        "sessionToken": _SESSION_TOKEN,
        "expiration": _MILLISECONDS,
    }
    marks = (_KEY_ID, _SECRET, _SESSION_TOKEN, str(_MILLISECONDS))
    return make_answer_template(render({"roleCredentials": found}).decode(), marks)


def _provider_of(session: SignInSession, arn: str, call: RestCall) -> str | None:
    """Return the provider, or an empty string for a token. Returns None if each call has to find it."""
    ctx = call.ctx
    if session.kind != "saml":
        # Whether a provider is registered follows from the sign-in, or else from the listed clients.
        is_known = bool(ctx.settings.oidc_clients or listed_clients(ctx))
        return "" if is_known and not ctx.issuer_keys.enforces_thumbprints else None
    identity = saml_identity(session, session.provider, ctx)
    providers = {pair.provider for pair in identity.roles if pair.role == arn}
    if len(providers) > 1 or identity_bytes(identity) > _LARGEST_IDENTITY:
        return None
    return find_provider(session, arn, call.request, ctx)
