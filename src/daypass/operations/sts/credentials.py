"""Turn a grant into temporary credentials: a key id, a secret and the sealed session token.

Owns the one place where sessions are minted, and with it the chain of access keys that each session remembers: it comes
from the authorized caller, and no operation can pass less. What else goes into a session is each operation's decision.
A session that grows from delegated credentials ends with the session that requested it, whatever the operation.
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
from daypass.operations.world import World

_WHOLE = 100


class Approval(msgspec.Struct, frozen=True):
    """That somebody else granted the session: in which second, and with which access keys behind them."""

    at: int
    chain: KeyChain


class Grant(msgspec.Struct, frozen=True):
    """What a session shall be. `seconds` is how long it lives from now; `more` holds further fields of Session.

    A session with an `approval` counts as issued when it was approved, and ends with the approver's keys too.
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


def mint_credentials(grant: Grant, authorized: Authorized[Any], world: World) -> dict[str, Any]:
    """Return the Credentials element of an answer. Raises AccessDenied if the chain of access keys gets too long."""
    caller, now = authorized.caller, int(world.now.timestamp())
    chain, issued = caller.key_chain(now), now
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
        access_key_id=new_access_key_id("ASIA", grant.account, world.entropy),
        secret=new_secret(world.entropy),
        issued=issued,
        expires=expires,
        issuing_key=caller.access_key_id,
        first_key=first_key_of(caller),
        issuing_keys=chain.keys,
        issuing_times=() if chain.times == (issued,) * len(chain.times) else chain.times,
        has_all_keys=chain.is_complete,
        **grant.more,
    )
    token = seal_session(session, ring=world.ring, now=now, entropy=world.entropy, at_least=grant.token_size)
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret.text,
        "SessionToken": token,
        "Expiration": datetime.fromtimestamp(session.expires, UTC),
    }


def _latest_end(caller: Caller, expires: int, now: int) -> int:
    # Each step could otherwise prolong the access by a role's maximum, past the end that was approved.
    if caller.session is not None and caller.key_chain(now).is_delegated:
        return min(expires, caller.session.expires)
    return expires


def first_key_of(caller: Caller) -> str:
    """Return the long-term key at the start of the caller's chain, or nothing. Servers of 0.1.0 know it alone."""
    session = caller.session
    return "" if session is None else session.first_key or session.issuing_key


def token_size(token: str) -> dict[str, int]:
    """Return the members that tell how long a session token is, and how much of the longest that is."""
    return {
        "SessionTokenSize": len(token),
        "SessionTokenUtilization": -(-len(token) * _WHOLE // Purpose.SESSION.value.longest),
    }
