"""Turn a grant into temporary credentials.

They are a key id, a secret and a session token. Owns the only place where sessions are minted, and with it the chain of
access keys in each: it comes from the authorized caller, and an operation cannot pass a shorter one. So do the
scope-down policies of the caller's session. One draw of entropy has the random bytes of the key id, the secret and the
seal, in this order; each byte is used once. A session that delegated credentials or a session with scope-down policies
requested ends with the session that requested it. Each operation decides the rest.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from daypass.authenticate.caller import Caller
from daypass.mint.access_keys import KEY_ID_ENTROPY, SECRET_ENTROPY, access_key_id_of, secret_of
from daypass.mint.key_chain import NO_KEYS, KeyChain, encode_chain, encode_first_step, join_chains, require_room
from daypass.mint.purpose import Purpose
from daypass.mint.seal import SALT_BYTES
from daypass.mint.sealing_keys import SealingRing
from daypass.mint.secret import Secret
from daypass.mint.session import SessionKind
from daypass.mint.tokens import SessionTemplate, WrittenSession, make_template, seal_by_template, seal_written
from daypass.operations.operation import Authorized
from daypass.operations.request_context import RequestContext
from daypass.ports import Entropy

_WHOLE = 100
_LONGEST_TOKEN = Purpose.SESSION.value.longest
_SALT_AT = KEY_ID_ENTROPY + SECRET_ENTROPY
_ENTROPY = _SALT_AT + SALT_BYTES


class Approval(msgspec.Struct, frozen=True):
    """The approval of a session by another principal.

    It has the second of the approval and the approver's access keys.
    """

    at: int
    chain: KeyChain


class Grant(msgspec.Struct, frozen=True):
    """The properties of a new session.

    The fields with the names of Session's have its meaning. `seconds` is the lifetime from now. With an `approval` the
    session counts as issued then, and ends with the approver's keys too. `issued` is another time of issue, in seconds
    since 1970. `scope_down` is one more scope-down policy, beside those of the caller's session.
    """

    kind: SessionKind
    account: str
    principal_id: str
    principal_name: str
    session_name: str
    seconds: int
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    transitive_tag_keys: tuple[str, ...] = ()
    source_identity: str = ""
    mfa_time: int | None = None
    provider: str = ""
    context: Mapping[str, tuple[str, ...]] = {}
    chained: bool = False
    root_task_policy: str = ""
    delegation: str = ""
    token_size: int = 0
    approval: Approval | None = None
    issued: int | None = None
    scope_down: str = ""


def mint_credentials(grant: Grant, authorized: Authorized[Any], ctx: RequestContext) -> dict[str, Any]:
    """Return the Credentials element of an answer.

    Raises AccessDenied if the chain of access keys gets too long.
    """
    caller, now = authorized.caller, int(ctx.now.timestamp())
    expires = now + grant.seconds
    # Other classes have chains of their own.
    if type(caller) is Caller and caller.session is None and grant.approval is None and grant.issued is None:
        chain, issued, first_key = encode_first_step(caller.access_key_id), now, ""
        scoped_policies: tuple[str, ...] = (grant.scope_down,) if grant.scope_down else ()
    else:
        chain, issued = _encode_key_chain(grant, caller, now)
        expires, first_key = _latest_end(caller, expires, now), first_key_of(caller)
        scoped_policies = _scoped_policies(caller, grant.scope_down)
    random = ctx.entropy(_ENTROPY)
    access_key_id = access_key_id_of("ASIA", grant.account, random[:KEY_ID_ENTROPY])
    secret = secret_of(random[KEY_ID_ENTROPY:_SALT_AT])
    written = _written(grant, access_key_id, secret, issued, expires, caller.access_key_id, chain, first_key)
    token = seal_written(
        written,
        scoped_policies,
        sealing_ring=ctx.sealing_ring,
        now=now,
        salt=random[_SALT_AT:],
        at_least=grant.token_size,
    )
    return {
        "AccessKeyId": access_key_id,
        "SecretAccessKey": secret.text,
        "SessionToken": token,
        "Expiration": datetime.fromtimestamp(expires, UTC),
    }


def _written(  # noqa: PLR0913, PLR0917 - by position: the names cost more than the rest of the value
    grant: Grant,
    access_key_id: str,
    secret: Secret,
    issued: int,
    expires: int,
    issuing_key: str,
    chain: bytes,
    first: str,
) -> WrittenSession:
    return WrittenSession(
        grant.kind,
        grant.account,
        grant.principal_id,
        grant.principal_name,
        grant.session_name,
        access_key_id,
        secret,
        issued,
        expires,
        issuing_key,
        grant.policy,
        grant.policy_arns,
        grant.tags,
        grant.transitive_tag_keys,
        grant.source_identity,
        grant.mfa_time,
        grant.provider,
        grant.context,
        grant.chained,
        grant.root_task_policy,
        chain,
        first,
        grant.delegation,
    )


class GrantTemplate(msgspec.Struct, frozen=True):
    """Grants to one caller that differ in the session name alone.

    The caller has a long-term key, a proof without keys behind it, or a sign-in. `sealing_ring` are the keys when it
    was made: a reader keeps a template only while they are the present ones.
    """

    caller: Caller
    account: str
    seconds: int
    session: SessionTemplate
    sealing_ring: SealingRing


def make_grant_template(
    grant: Grant, caller: Caller, ctx: RequestContext, lasting: KeyChain = NO_KEYS
) -> GrantTemplate:
    """Return the template of grants like this one.

    `lasting` is the key chain of a caller for which it is the same at each moment. A session that is issued in a second
    that the chain names is written in another way: the template is not for these. Raises ValueError for a grant, or a
    caller, that `mint_credentials` treats in another way than the usual one.
    """
    # Other classes have chains of their own.
    chain = encode_first_step(caller.access_key_id) if type(caller) is Caller else _encode_lasting(caller, lasting)
    is_usual = chain is not None and caller.session is None and grant.approval is None and grant.issued is None
    if chain is None or not is_usual or grant.scope_down or grant.token_size:
        raise ValueError("such a grant has no template")
    written = _written(grant, "ASIA", Secret("-"), 0, 0, caller.access_key_id, chain, "")
    return GrantTemplate(caller, grant.account, grant.seconds, make_template(written), ctx.sealing_ring)


def _encode_lasting(caller: Caller, chain: KeyChain) -> bytes | None:
    """Return the key chain of a caller without a key, or None if it is another one."""
    return encode_chain(chain) if not caller.access_key_id and caller.key_chain(0) == chain else None


def mint_by_template(
    template: GrantTemplate, authorized: Authorized[Any], session_name: str, now: int, entropy: Entropy
) -> tuple[str, str, int, str]:
    """Return key ID, secret, end and token of a new session.

    They are those of `mint_credentials`. Raises ValueError if another caller was authorized.
    """
    if authorized.caller is not template.caller:
        raise ValueError("the template belongs to another caller")
    random, expires = entropy(_ENTROPY), now + template.seconds
    access_key_id = access_key_id_of("ASIA", template.account, random[:KEY_ID_ENTROPY])
    secret = secret_of(random[KEY_ID_ENTROPY:_SALT_AT])
    token = seal_by_template(
        template.session,
        session_name,
        access_key_id,
        secret,
        now,
        expires,
        sealing_ring=template.sealing_ring,
        now=now,
        salt=random[_SALT_AT:],
    )
    return access_key_id, secret.text, expires, token


def _encode_key_chain(grant: Grant, caller: Caller, now: int) -> tuple[bytes, int]:
    """Return the key chain of the new session, and the time of issue."""
    chain, issued = caller.key_chain(now), now if grant.issued is None else grant.issued
    if grant.approval is not None:
        chain, issued = join_chains(grant.approval.chain, chain), grant.approval.at
    require_room(chain)
    if chain.times == (issued,) * len(chain.times):
        chain = KeyChain(chain.keys, (), chain.is_complete)
    return encode_chain(chain), issued


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


def size_of_token(token: str) -> dict[str, int]:
    """Return the members for the length of a session token."""
    return {"SessionTokenSize": len(token), "SessionTokenUtilization": utilization_of(len(token))}


def utilization_of(size: int) -> int:
    """Return a token's length in percent of the longest, rounded up."""
    return -(-size * _WHOLE // _LONGEST_TOKEN)
