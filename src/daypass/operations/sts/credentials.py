"""Turn a grant into temporary credentials: a key id, a secret and the sealed session token.

Owns the one place where sessions are minted. What goes into a session is each operation's decision.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.mint.access_keys import new_access_key_id, new_secret
from daypass.mint.purpose import Purpose
from daypass.mint.session import Session, SessionKind
from daypass.mint.tokens import seal_session
from daypass.operations.world import World

_WHOLE = 100


class Grant(msgspec.Struct, frozen=True):
    """What a session shall be. `seconds` is how long it lives; `more` holds further fields of Session.

    `issuing_key` is the access key that asks for it and `first_key` the one that began the chain, if that is another.
    """

    kind: SessionKind
    account: str
    principal_id: str
    principal_name: str
    session_name: str
    seconds: int
    issuing_key: str
    more: Mapping[str, Any]
    token_size: int = 0
    first_key: str = ""


def mint_credentials(grant: Grant, world: World) -> dict[str, Any]:
    """Return the Credentials element of an answer."""
    issued = int(world.now.timestamp())
    session = Session(
        kind=grant.kind,
        account=grant.account,
        principal_id=grant.principal_id,
        principal_name=grant.principal_name,
        session_name=grant.session_name,
        access_key_id=new_access_key_id("ASIA", grant.account, world.entropy),
        secret=new_secret(world.entropy),
        issued=issued,
        expires=issued + grant.seconds,
        issuing_key=grant.issuing_key,
        first_key=grant.first_key,
        **grant.more,
    )
    token = seal_session(session, ring=world.ring, now=issued, entropy=world.entropy, at_least=grant.token_size)
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret.text,
        "SessionToken": token,
        "Expiration": datetime.fromtimestamp(session.expires, UTC),
    }


def first_key_of(caller: Caller) -> str:
    """Return the long-term key at the start of the chain that the caller's session continues, or nothing."""
    session = caller.session
    return "" if session is None else session.first_key or session.issuing_key


def token_size(token: str) -> dict[str, int]:
    """Return the members that tell how long a session token is, and how much of the longest that is."""
    return {
        "SessionTokenSize": len(token),
        "SessionTokenUtilization": -(-len(token) * _WHOLE // Purpose.SESSION.value.longest),
    }
