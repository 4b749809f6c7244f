"""CreateOAuth2Token: the tokens of `aws login`.

Owns both grants, an authorization code and a refresh token, and the credentials of the one role that the person chose.
Leaves the DPoP proof to dpop.py, codes to sign_in/grants.py and tokens to sign_in/token_families.py.

* A proof is used once, on all nodes, before any other effect of a request. A request with an invented code or token has
  no effect at all: it writes nothing.
* The role is taken before the refresh token rotates: a refresh that is refused leaves the token good.
* The credentials last 15 minutes, and never longer than the sign-in.
* A sign-in that is older than the present MaxSigninSessionDuration of the role counts as ended.
* Refusals have the words that the AWS CLI knows: AUTHCODE_EXPIRED, TOKEN_EXPIRED, USER_CREDENTIALS_CHANGED and
  INSUFFICIENT_PERMISSIONS, all in AccessDeniedException.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.errors import Blame, Fault, Throttling
from daypass.federation.oidc.identify import KeysNeededError
from daypass.mint.tokens import open_session
from daypass.operations.sts.role_session import carried_context
from daypass.sign_in.grants import CodeGrant, GrantRefusedError, bind_family, has_code, redeem_code
from daypass.sign_in.proofs import SignInOverError
from daypass.sign_in.role_limits import end_for_role
from daypass.sign_in.sessions import find_session
from daypass.sign_in.signed_in_operations import chain_of
from daypass.sign_in.take_role import take_role
from daypass.sign_in.token_families import (
    RefreshRefusedError,
    Tokens,
    begin_family,
    find_by_refresh,
    has_family,
    refresh,
)
from daypass.sso.dpop import InvalidProofError, VerifiedProof, verify_proof
from daypass.sso.id_tokens import sign_id_token
from daypass.sso.rest_action import RestCall
from daypass.wire.rest_faults import AccessDeniedException, ValidationException

SECONDS = 900
_PATH = "/v1/token"
_AUTHORIZATION_CODE = "authorization_code"
_MOST_REPEATED = 1_000
_CODE = "The authorization code is not valid, has expired or was used. Run `aws login` again."
_TOKEN = "The refresh token is not valid, has expired or was used. Run `aws login` again."  # noqa: S105 - a message
_OVER = "The sign-in has ended. Run `aws login` again."
_CLOSED = "You may not assume the role of this login any more. Run `aws login` and choose another role."
_TOO_OLD = "The sign-in is older than the role allows. Sign out in the browser, and run `aws login` again."
_REPLAYED = "The DPoP proof was used before."
_MISSING = "The grant authorization_code needs code, redirectUri and codeVerifier, and no refreshToken."
_NEEDS_TOKEN = "The grant refresh_token needs refreshToken alone."  # noqa: S105 - a message


class CreateOAuth2TokenParams(msgspec.Struct, frozen=True, rename="camel"):
    """The parameters."""

    client_id: str
    grant_type: str
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""

    def __repr__(self) -> str:
        return "<secret>"


class CreateOAuth2Token:
    """Exchanges a code or a refresh token for credentials of a role."""

    service, name, payload = "signin", "CreateOAuth2Token", "tokenInput"
    needs_provider, is_cached = True, False
    takes = CreateOAuth2TokenParams

    def __init__(self) -> None:
        # A call is repeated after the keys of an issuer were fetched, when its proof and its code are used up.
        self._proven: BoundedMemory[str, VerifiedProof] = BoundedMemory(_MOST_REPEATED)
        self._redeemed: BoundedMemory[str, CodeGrant] = BoundedMemory(_MOST_REPEATED)

    def answer(self, params: CreateOAuth2TokenParams, call: RestCall) -> Mapping[str, Any]:
        """Return the credentials of the role with new tokens."""
        call.recorded |= {"clientId": params.client_id, "grantType": params.grant_type}
        try:
            if params.grant_type == _AUTHORIZATION_CODE:
                return self._of_code(params, call)
            return self._of_refresh(params, call)
        except SignInOverError as over:
            raise _denied("USER_CREDENTIALS_CHANGED", _OVER, over.detail) from over

    def _of_code(self, params: CreateOAuth2TokenParams, call: RestCall) -> Mapping[str, Any]:
        if not (params.code and params.redirect_uri and params.code_verifier) or params.refresh_token:
            raise ValidationException(_MISSING)
        proof = self._prove(call, is_known=has_code(params.code, call.ctx), otherwise=("AUTHCODE_EXPIRED", _CODE))
        grant = self._redeem(params, call)
        call.sign_in = grant.sign_in
        try:
            role = _take(grant.sign_in, grant.role_arn, grant.provider_arn, call, word="INSUFFICIENT_PERMISSIONS")
        except KeysNeededError:
            self._keep(call, proof, grant)
            raise
        tokens = begin_family(
            call.ctx,
            sign_in=grant.sign_in,
            kind="login",
            client_id=grant.client_id,
            scopes=grant.scopes,
            role_arn=grant.role_arn,
            provider_arn=grant.provider_arn,
            dpop_thumbprint=proof.thumbprint,
        )
        try:
            bind_family(params.code, tokens.family, call.ctx)
        except GrantRefusedError as refused:
            raise _denied("AUTHCODE_EXPIRED", _CODE, f"the code is refused: {refused.reason}") from refused
        return _answer(role, tokens, params.client_id, call)

    def _of_refresh(self, params: CreateOAuth2TokenParams, call: RestCall) -> Mapping[str, Any]:
        if not params.refresh_token or params.code or params.redirect_uri or params.code_verifier:
            raise ValidationException(_NEEDS_TOKEN)
        is_known = has_family(params.refresh_token, call.ctx)
        proof = self._prove(call, is_known=is_known, otherwise=("TOKEN_EXPIRED", _TOKEN))
        try:
            family = find_by_refresh(params.refresh_token, params.client_id, call.ctx, dpop_thumbprint=proof.thumbprint)
            if family is not None:
                call.sign_in = family.sign_in
                role = _take(family.sign_in, family.role_arn, family.provider_arn, call, word="TOKEN_EXPIRED")
            tokens = refresh(params.refresh_token, params.client_id, call.ctx, dpop_thumbprint=proof.thumbprint)
        except KeysNeededError:
            self._keep(call, proof, None)
            raise
        except RefreshRefusedError as refused:
            if refused.family is not None:
                call.sign_in = refused.family.sign_in
            raise _refused(refused, call) from refused
        if family is None:
            raise _denied("TOKEN_EXPIRED", _TOKEN, "the refresh token became valid during the request")
        return _answer(role, tokens, params.client_id, call)

    def _prove(self, call: RestCall, *, is_known: bool, otherwise: tuple[str, str]) -> VerifiedProof:
        """Return the proof of the request, and use it up.

        Without a known code or token, the request is refused before anything is written.
        """
        known = self._proven.pop(call.request_id, None)
        if known is not None:
            return known
        headers = [value for name, value in call.request.headers if name == b"dpop"]
        try:
            proof = verify_proof(
                headers, method="POST", path=_PATH, public_url=call.ctx.settings.public_url, now=call.ctx.now
            )
        except InvalidProofError as error:
            raise ValidationException(f"The DPoP proof is not valid: {error}.") from error
        if not is_known:
            raise _denied(*otherwise, "the code or token is unknown")
        with call.ctx.new_transaction() as writer:
            is_first = writer.claim(proof.claim, until=proof.claim_ends)
        if not is_first:
            raise ValidationException(_REPLAYED)
        return proof

    def _redeem(self, params: CreateOAuth2TokenParams, call: RestCall) -> CodeGrant:
        known = self._redeemed.pop(call.request_id, None)
        if known is not None:
            return known
        try:
            return redeem_code(
                params.code,
                client_id=params.client_id,
                redirect_uri=params.redirect_uri,
                verifier=params.code_verifier,
                ctx=call.ctx,
            )
        except GrantRefusedError as refused:
            raise _denied("AUTHCODE_EXPIRED", _CODE, f"the code is refused: {refused.reason}") from refused

    def _keep(self, call: RestCall, proof: VerifiedProof, grant: CodeGrant | None) -> None:
        self._proven.put(call.request_id, proof)
        if grant is not None:
            self._redeemed.put(call.request_id, grant)


def _take(sign_in: str, role_arn: str, provider_arn: str, call: RestCall, *, word: str) -> Mapping[str, Any]:
    """Return the credentials of the role. Raises a Fault in the words of the sign-in API.

    `word` is the word for a sign-in that is older than the role allows.
    """
    session = end_for_role(_live(sign_in, call), role_arn, call.ctx)
    if session.ends <= call.ctx.now:
        raise _denied(word, _TOO_OLD, f"the role's MaxSigninSessionDuration ended at {session.ends}")
    try:
        return take_role(
            call.pipeline,
            call.store_view,
            session,
            role_arn,
            provider_arn,
            SECONDS,
            call.request,
            call.request_id,
            event=CreateOAuth2Token.name,
        )
    except (SignInOverError, Throttling, KeysNeededError):
        raise
    except Fault as fault:
        if fault.blame is not Blame.SENDER:
            raise
        raise _denied("INSUFFICIENT_PERMISSIONS", _CLOSED, f"{fault.code}: {fault.detail or fault.message}") from fault


def _refused(refused: RefreshRefusedError, call: RestCall) -> AccessDeniedException:
    detail = f"the refresh token is refused: {refused.reason}"
    if refused.reason == "expired" and refused.family is not None and call.ctx.now < refused.family.ends:
        return _denied("USER_CREDENTIALS_CHANGED", _OVER, detail)  # The provider was removed.
    return _denied("TOKEN_EXPIRED", _TOKEN, detail)


def _live(sign_in: str, call: RestCall) -> SignInSession:
    session = find_session(sign_in, call.ctx)
    if session is None:
        raise SignInOverError(f"{sign_in} has ended")
    call.session = session
    return session


def _answer(role: Mapping[str, Any], tokens: Tokens, client_id: str, call: RestCall) -> Mapping[str, Any]:
    credentials, arn = role["Credentials"], role["AssumedRoleUser"]["Arn"]
    session = _live(call.sign_in, call)
    call.recorded["assumedRoleArn"] = arn
    left = int(credentials["Expiration"].timestamp() - call.ctx.now.timestamp())
    seconds = max(1, min(SECONDS, left))
    chain = chain_of(session).followed_by(credentials["AccessKeyId"], int(call.ctx.now.timestamp()))
    origin = carried_context(
        open_session(
            credentials["SessionToken"],
            access_key_id=credentials["AccessKeyId"],
            sealing_ring=call.ctx.sealing_ring,
        )
    )
    id_token = sign_id_token(
        arn, client_id, call.ctx, signed_in=session.proven_at, seconds=seconds, chain=chain, origin=origin
    )
    return {
        "accessToken": {
            "accessKeyId": credentials["AccessKeyId"],
            "secretAccessKey": credentials["SecretAccessKey"],
            "sessionToken": credentials["SessionToken"],
        },
        "tokenType": "aws_sigv4",
        "expiresIn": seconds,
        "refreshToken": tokens.refresh,
        "idToken": id_token,
    }


def _denied(word: str, message: str, detail: str) -> AccessDeniedException:
    return AccessDeniedException(message, detail=detail, error=word)
