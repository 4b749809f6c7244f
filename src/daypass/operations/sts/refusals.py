"""Actions of STS that are not implemented here: refused with the reason, signed and authorized like any other call.

Owns the table REFUSED. A caller who asks for narrower credentials must not be given an answer that has none.
Source: STS API Reference.
"""

from collections.abc import Mapping
from typing import NoReturn

from daypass.authenticate.caller import Caller
from daypass.errors import ServiceNotSupported
from daypass.operations.operation import Asking, Authorized, NoMembers, Params, Signed, Touches
from daypass.operations.world import World
from daypass.wire.supported import Declared

# Action: why it is refused.
REFUSED: Mapping[str, str] = {
    "GetScopedCredentials": "Daypass does not issue scoped credentials. Use AssumeRole with a session policy.",
}


class Refused(Signed[NoMembers]):
    """Would issue credentials of a kind that is not implemented."""

    service, reach = "sts", Touches.CACHE

    def __init__(self, action: str) -> None:
        self.action = action

    @property
    def declared(self) -> Declared | None:
        """Every member: nothing comes of any."""
        return None

    def parse(self, params: Params) -> NoMembers:
        """Return nothing: the parameters have no effect."""
        return NoMembers()

    def question(self, asked: NoMembers, caller: Caller, world: World) -> tuple[Asking, ...]:
        """Ask for the permission of the action's name."""
        return (Asking(f"sts:{self.action}", "*", caller.account),)

    def run(self, authorized: Authorized[NoMembers], world: World) -> NoReturn:
        """Say why not."""
        raise ServiceNotSupported(REFUSED[self.action])


OPERATIONS = tuple(Refused(action) for action in REFUSED)
