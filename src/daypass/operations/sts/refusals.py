"""Actions of STS that are not implemented: refused with the reason.

Owns the table REFUSED. The calls are authorized like any other. A request for narrower credentials must not get
unrestricted ones.
Source: STS API Reference.
"""

from collections.abc import Mapping
from typing import NoReturn

from daypass.authenticate.caller import Caller
from daypass.errors import ServiceNotSupported
from daypass.operations.operation import Authorized, NoMembers, Parameters, PermissionCheck, Signed, StoreAccess
from daypass.operations.request_context import RequestContext
from daypass.wire.supported import Declared

# Actions and the reasons of the refusal.
REFUSED: Mapping[str, str] = {
    "GetScopedCredentials": "Daypass does not issue scoped credentials. Use AssumeRole with a session policy.",
}


class UnsupportedStsAction(Signed[NoMembers]):
    """Would issue credentials of a kind that is not implemented."""

    service, access = "sts", StoreAccess.CACHE

    def __init__(self, action: str) -> None:
        self.action = action

    @property
    def declared(self) -> Declared | None:
        """Return None: all members are accepted without effect."""
        return None

    def parse(self, parameters: Parameters) -> NoMembers:
        """Return no parameters, because they have no effect."""
        return NoMembers()

    def permissions(self, params: NoMembers, caller: Caller, ctx: RequestContext) -> tuple[PermissionCheck, ...]:
        """Require the permission with the action's name."""
        return (PermissionCheck(f"sts:{self.action}", "*", caller.account),)

    def run(self, authorized: Authorized[NoMembers], ctx: RequestContext) -> NoReturn:
        """Raise ServiceNotSupported with the reason."""
        raise ServiceNotSupported(REFUSED[self.action])


OPERATIONS = tuple(UnsupportedStsAction(action) for action in REFUSED)
