"""Turn a grant into temporary credentials.

They are a key id, a secret and a session token. Owns the only place where sessions are minted, and with it the chain of
access keys in each: it comes from the authorized caller, and an operation cannot pass a shorter one. So do the
scope-down policies of the caller's session. A session that delegated credentials or a session with scope-down policies
requested ends with the session that requested it. Each operation decides the rest.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.mint.access_keys import new_access_key_id, new_secret
from daypass.mint.key_chain import KeyChain, join_chains, require_room
from daypass.mint.purpose import Purpose
from daypass.mint.session import Session, SessionKind
from daypass.mint.tokens import seal_session
from daypass.operations.operation import Authorized
from daypass.operations.request_context import RequestContext

_WHOLE = 100


class Approval(msgspec.Struct, frozen=True):
    """The approval of a session by another principal.

    It has the second of the approval and the approver's access keys.
    """

    at: int
    chain: KeyChain


class Grant(msgspec.Struct, frozen=True):
    """The properties of a new session.

    `seconds` is its lifetime from now; `more` has further fields of Session. With an `approval` it counts as issued
    then, and ends with the approver's keys too. `issued` is another time of issue, in seconds since 1970.
    `scope_down` is one more scope-down policy, beside those of the caller's session.
    """

    kind: SessionKind
    account: str
    principal_id: str
    principal_name: str
    session_name: str
    seconds: int
    more: Mapping[str, Any]
    token_size: int = 0
    approval: Approval | None = None
    issued: int | None = None
    scope_down: str = ""


def mint_credentials(grant: Grant, authorized: Authorized[Any], ctx: RequestContext) -> dict[str, Any]:
    """Return the Credentials element of an answer.

    Raises AccessDenied if the chain of access keys gets too long.
    """
    caller, now = authorized.caller, int(ctx.now.timestamp())
    chain, issued = caller.key_chain(now), now if grant.issued is None else grant.issued
    if grant.approval is not None:
        chain, issued = join_chains(grant.approval.chain, chain), grant.approval.at
    require_room(chain)
    expires = _latest_end(caller, now + grant.seconds, now)
    session = Session(
        kind=grant.kind,
        account=grant.account,
        principal_id=grant.principal_id,
        principal_name=grant.principal_name,
        session_name=grant.session_name,
        access_key_id=new_access_key_id("ASIA", grant.account, ctx.entropy),
        secret=new_secret(ctx.entropy),
        issued=issued,
        expires=expires,
        issuing_key=caller.access_key_id,
        first_key=first_key_of(caller),
        issuing_keys=chain.keys,
        issuing_times=() if chain.times == (issued,) * len(chain.times) else chain.times,
        has_all_keys=chain.is_complete,
        scoped_policies=_scoped_policies(caller, grant.scope_down),
        **grant.more,
    )
    token = seal_session(
        session, sealing_ring=ctx.sealing_ring, now=now, entropy=ctx.entropy, at_least=grant.token_size
    )
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret.text,
        "SessionToken": token,
        "Expiration": datetime.fromtimestamp(session.expires, UTC),
    }


def _latest_end(caller: Caller, expires: int, now: int) -> int:
    # Otherwise each step could extend the access by a role's maximum, past the end that was approved, or that was set
    # for the holder of scoped credentials.
    session = caller.session
    if session is not None and (session.scoped_policies or caller.key_chain(now).is_delegated):
        return min(expires, session.expires)
    return expires


def _scoped_policies(caller: Caller, added: str) -> tuple[str, ...]:
    inherited = () if caller.session is None else caller.session.scoped_policies
    return (*inherited, added) if added else inherited


def first_key_of(caller: Caller) -> str:
    """Return the long-term key at the start of the caller's chain.

    Returns an empty string if there is no session. Servers of version 0.1.0 know only this key.
    """
    session = caller.session
    return "" if session is None else session.first_key or session.issuing_key


def token_size(token: str) -> dict[str, int]:
    """Return the members for the length of a session token."""
    return {
        "SessionTokenSize": len(token),
        "SessionTokenUtilization": -(-len(token) * _WHOLE // Purpose.SESSION.value.longest),
    }
