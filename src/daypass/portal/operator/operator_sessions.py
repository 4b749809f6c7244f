"""Operator sessions: who may see the operator pages.

Owns the start, the check and the end of a session. The pages show the data of
`aws iam get-account-authorization-details`, so each page makes that call through the pipeline, signed with the
session's credentials: it needs the permission, and the audit log records it. The credentials are encrypted in the
store; the browser has only a random name for them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from daypass.errors import ExpiredTokenException, InvalidParameterValue, SenderFault, Throttling
from daypass.operations.request_context import RequestContext
from daypass.portal.credential_formats import RoleCredentials
from daypass.portal.operator.signed_call import SigV4Credentials, signed_call
from daypass.portal.site import Site, as_sent
from daypass.sign_in import pending_records
from daypass.sign_in.sessions import find_session

COOKIE = "__Host-daypass-operator"
_LONGEST = timedelta(hours=1)
_MOST_OF_ACCOUNT = 500
_OVER = (
    "You are not signed in to the operator pages, or your session has expired. "
    "Sign in, choose a role that has access, and open the operator pages from the page with its credentials."
)
_CREDENTIALS_OVER = "Your credentials have expired. Sign in again."
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_SECRET_BYTES, _SECRET_CHARACTERS = 32, 64


class NotEnteredError(ExpiredTokenException):
    """The browser has no operator session, or the session has expired."""


class CallRefusedError(SenderFault):
    """A call with the credentials of a session was refused, with this error."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc] # the API chose it
        self.status = status  # type: ignore[misc]


class OperatorCredentials(msgspec.Struct, frozen=True):
    """The credentials of an operator session, with their account and ARN.

    `sign_in` is the sign-in that the role was taken with, or empty.
    """

    key_id: str
    secret: str
    token: str
    account: str
    arn: str
    sign_in: str = ""

    def __repr__(self) -> str:
        return "<secret>"


_decode = msgspec.json.Decoder(OperatorCredentials).decode


@dataclass(frozen=True, slots=True)
class OperatorSessions:
    """Starts, finds and ends operator sessions."""

    site: Site

    def enter(
        self, request: Request, credentials: RoleCredentials, request_id: str, answer: Response, *, sign_in: str = ""
    ) -> Response:
        """Start a session if the credentials have the permission.

        `sign_in` is the id of the browser's sign-in, or empty: the session ends with it.

        Raises CallRefusedError, NotEnteredError, or Throttling if the account has too many sessions.
        """
        secrets = (credentials.key_id, credentials.secret, credentials.token)
        return self.begin(request, secrets, _end_of(credentials), request_id, answer, sign_in=sign_in)

    def begin(
        self,
        request: Request,
        secrets: tuple[str, str, str],
        claimed_end: datetime,
        request_id: str,
        answer: Response,
        *,
        sign_in: str = "",
    ) -> Response:
        """Start a session with a key, its secret and its token.

        `sign_in` is the id of the sign-in whose role they are of: the session ends with it.
        """
        held = OperatorCredentials(*secrets, "", "", sign_in)
        who = self._call(request, held, "sts", {"Action": "GetCallerIdentity", "Version": "2011-06-15"}, request_id)
        identity = who["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
        held = msgspec.structs.replace(held, account=identity["Account"], arn=identity["Arn"])
        self._require_may(request, held, request_id)
        with self.site.ctx() as ctx:
            secret = ctx.entropy(_SECRET_BYTES).hex()
            ends = min(ctx.now + _LONGEST, claimed_end)
            with ctx.new_transaction() as writer:
                places = f"operators:{held.account}"
                if not pending_records.has_room(writer, places, most=_MOST_OF_ACCOUNT, ends=ends, ctx=ctx):
                    raise Throttling("Rate exceeded", detail="too many operator sessions of this account")
                pending_records.put(writer, _name_of(secret), msgspec.json.encode(held), ends=ends, ctx=ctx)
        seconds = int(_LONGEST.total_seconds())
        answer.set_cookie(COOKIE, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    def leave(self, request: Request, request_id: str, answer: Response) -> Response:
        """End the session of a browser."""
        with self.site.ctx() as ctx, ctx.new_transaction() as writer:
            found = pending_records.take(writer, _name(request), ctx=ctx)
        if found is not None:
            held = _decode(found)
            parameters = {"AccountId": held.account, "Arn": held.arn, "AccessKeyId": held.key_id}
            self.site.record("OperatorSignOut", request, request_id, parameters=parameters)
        answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    def require(self, request: Request, request_id: str) -> OperatorCredentials:
        """Return the session of a browser after a new permission check."""
        with self.site.ctx() as ctx:
            held = _find(request, ctx)
        self._require_may(request, held, request_id)
        return held

    def _require_may(self, request: Request, held: OperatorCredentials, request_id: str) -> None:
        form = {"Action": "GetAccountAuthorizationDetails", "Version": "2010-05-08", "MaxItems": "1"}
        self._call(request, held, "iam", form, request_id)

    def iam(
        self,
        request: Request,
        held: OperatorCredentials,
        action: str,
        parameters: Mapping[str, str],
        request_id: str,
    ) -> dict[str, Any]:
        """Call an action of IAM with the permissions of the session.

        Returns its result. Raises CallRefusedError with the error of the action.
        """
        form = {"Action": action, "Version": "2010-05-08", **parameters}
        document = self._call(request, held, "iam", form, request_id)
        result: dict[str, Any] = document[f"{action}Response"].get(f"{action}Result") or {}
        return result

    def _call(
        self, request: Request, held: OperatorCredentials, service: str, parameters: Mapping[str, str], request_id: str
    ) -> dict[str, Any]:
        """Make a signed call with the credentials of the session.

        Raises a Fault if the call is refused.
        """
        pipeline = self.site.pipeline
        signer = SigV4Credentials(held.key_id, held.secret, held.token, service, pipeline.home_region, pipeline.now())
        host = self.site.settings.public_url.partition("://")[2].partition("/")[0]
        call = signed_call(as_sent(request), parameters, host=host, signer=signer)
        answered = pipeline.answer_at_last(call, request_id, self.site.store_view)
        document: dict[str, Any] = msgspec.json.decode(answered.body)
        error = document.get("Error")
        if error is None:
            return document
        code, message = str(error.get("Code", "")), error.get("Message") or "The call was refused."
        if code in _EXPIRED:
            raise NotEnteredError(_CREDENTIALS_OVER)
        raise CallRefusedError(code, message, answered.status)


def _end_of(credentials: RoleCredentials) -> datetime:
    """Return the claimed expiry of credentials.

    Raises InvalidParameterValue if it is not a date.
    """
    try:
        return datetime.fromisoformat(credentials.ends)
    except ValueError as error:
        raise InvalidParameterValue("These are not credentials of this server.") from error


def form_token(request: Request) -> str:
    """Return the CSRF token of this session, which other sites cannot compute."""
    return hashlib.sha256(f"form {_secret(request)}".encode()).hexdigest()[:32]


def _secret(request: Request) -> str:
    return request.cookies.get(COOKIE, "")[:_SECRET_CHARACTERS]


def _name(request: Request) -> str:
    return _name_of(_secret(request))


def _name_of(secret: str) -> str:
    # A hash, so that a reader of the store does not get the cookie.
    return f"operator:{hashlib.sha256(secret.encode()).hexdigest()}"


def _find(request: Request, ctx: RequestContext) -> OperatorCredentials:
    found = pending_records.look(_name(request), ctx=ctx)
    if found is None:
        raise NotEnteredError(_OVER)
    held = _decode(found)
    if held.sign_in and find_session(held.sign_in, ctx) is None:
        raise NotEnteredError(_OVER)  # The person signed out, or the sign-in was revoked.
    return held
