"""The longest sign-in that a role allows for `aws login`.

Owns the role's MaxSigninSessionDuration, which counts from the instant at which the person proved the identity. It only
shortens: a sign-in never ends later than without it. Other ways to take a role do not have this limit.
Source: IAM API Reference, CreateRole and UpdateRole.
"""

from datetime import timedelta

from msgspec.structs import replace

from daypass.directory.entities.sign_in_entities import SignInSession
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.role_session import find_role, read_role_arn


def end_for_role(session: SignInSession, role_arn: str, ctx: RequestContext) -> SignInSession:
    """Return the session with the end that it has for a role.

    The limit is the present one. A role that does not exist has none; it is refused elsewhere.
    """
    role = find_role(read_role_arn(role_arn), ctx)
    if role is None or role.max_signin_seconds is None:
        return session
    limit = session.proven_at + timedelta(seconds=role.max_signin_seconds)
    return replace(session, ends=min(session.ends, limit))
