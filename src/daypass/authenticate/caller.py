"""The Caller: the verified identity that makes a request.

Owns its names in AWS's answers. Leaves verification to authenticate.py (signed calls) and federation/ (assertions and
tokens).
Source: IAM User Guide, "IAM JSON policy elements: Principal" and the table of `aws:userid`.
"""

import msgspec

from daypass.arn import assumed_role_arn, federated_user_arn, root_arn
from daypass.directory.identity import Identity
from daypass.mint.key_chain import NO_KEYS, KeyChain
from daypass.mint.session import Session
from daypass.policy.authorization_request import Principal, PrincipalKind


class Caller(msgspec.Struct, frozen=True):
    """A caller whose identity was verified.

    - `arn` and `user_id` are the values that GetCallerIdentity returns.
    - `identity` is the user or role whose policies apply, or None for a root user, and for a federated caller without
      one yet.
    - `session` is set for temporary credentials only.
    - `mfa_at` is the time of the MFA code of this request, or of the request that created a user's session, in seconds
      since 1970. A role session does not pass it along a chain and lacks it, but its conditions may still contain it.
    """

    account: str
    arn: str
    user_id: str
    access_key_id: str
    principal: Principal
    identity: Identity | None = None
    session: Session | None = None
    mfa_at: int | None = None

    @property
    def subject(self) -> str:
        """The name that an identity provider gave the caller, or ""."""
        return ""

    @property
    def is_root(self) -> bool:
        """Return whether this is a root user, with long-term keys or a session."""
        return self.principal.kind is PrincipalKind.ROOT

    def key_chain(self, now: int) -> KeyChain:
        """Return the key chain of a session that this caller issues at `now`.

        The caller's own key is last.
        """
        if self.session is not None:
            chain, session = self.session.key_chain, self.session
            if session.delegation:
                chain = chain.followed_by(session.delegation, session.issued)
            return chain.followed_by(self.access_key_id, session.issued)
        return NO_KEYS.followed_by(self.access_key_id, now) if self.access_key_id else NO_KEYS


def root_caller(account: str, access_key_id: str, session: Session | None = None) -> Caller:
    """Return the root user of `account`."""
    principal = Principal(
        kind=PrincipalKind.ROOT,
        account=account,
        arn=root_arn(account),
        unique_id=account,
        delegated=_is_delegated(session),
    )
    return _caller(principal, access_key_id, None, session, mfa_at=None if session is None else session.mfa_time)


def user_caller(user: Identity, access_key_id: str, session: Session | None = None) -> Caller:
    """Return an IAM user with a long-term key or a GetSessionToken session."""
    principal = Principal(
        kind=PrincipalKind.USER,
        account=user.account,
        arn=user.arn,
        unique_id=user.id,
        delegated=_is_delegated(session),
    )
    return _caller(principal, access_key_id, user, session, mfa_at=None if session is None else session.mfa_time)


def role_caller(role: Identity, session: Session) -> Caller:
    """Return a role session.

    The session's ARN lacks the role's path; the principal keeps the role's ARN.
    """
    principal = Principal(
        kind=PrincipalKind.ROLE_SESSION,
        account=role.account,
        arn=assumed_role_arn(role.account, role.name, session.session_name),
        issuer_arn=role.arn,
        unique_id=role.id,
        session_id=f"{role.id}:{session.session_name}",
        delegated=_is_delegated(session),
    )
    return _caller(principal, session.access_key_id, role, session)


def federated_caller(account: str, parent: Identity | None, session: Session) -> Caller:
    """Return a GetFederationToken session.

    Its permissions are a subset of its creator's.
    """
    principal = Principal(
        kind=PrincipalKind.FEDERATED_USER,
        account=account,
        arn=federated_user_arn(account, session.session_name),
        issuer_arn=root_arn(account) if parent is None else parent.arn,
        unique_id=account if parent is None else parent.id,
        session_id=f"{account}:{session.session_name}",
    )
    return _caller(principal, session.access_key_id, parent, session)


def _caller(
    principal: Principal,
    access_key_id: str,
    identity: Identity | None,
    session: Session | None,
    *,
    mfa_at: int | None = None,
) -> Caller:
    return Caller(
        account=principal.account,
        arn=principal.arn,
        user_id=principal.session_id or principal.unique_id,
        access_key_id=access_key_id,
        principal=principal,
        identity=identity,
        session=session,
        mfa_at=mfa_at,
    )


def _is_delegated(session: Session | None) -> bool:
    return session is not None and bool(session.delegation)
