"""Writes that the event loop began, and that a worker thread finishes.

Owns the results of the first run that are still true in the second: the decoded and parsed call, which follow from the
request's bytes, and the signer of a long-term key. The signature is verified once: the second run requires that the
cache still returns the value by which it was verified, because a change of the key or its owner replaces that value. A
call with a session token begins anew, because its session may expire or be revoked in between. Every call is authorized
in the second run alone.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from daypass.authenticate.authenticate import Signer, load_key_holder
from daypass.directory.store import Views, WouldBlockError
from daypass.operations.operation import AnyOperation, StoreAccess
from daypass.wire.decode import Call


class BegunCall(msgspec.Struct, frozen=True):
    """A write after its stages 1 to 4."""

    call: Call
    operation: AnyOperation
    params: Any
    parameters: Mapping[str, Any]
    encoded_parameters: bytes | None
    access_key_id: str
    signer: Signer

    def has_same_signer(self, views: Views) -> bool:
        """Return whether neither the key nor its owner has changed."""
        holder = views.get(load_key_holder, self.access_key_id)
        return holder is not None and holder.caller is self.signer.caller


class WriteBegunError(WouldBlockError):
    """The call can be finished where blocking is allowed."""

    def __init__(self, begun: BegunCall) -> None:
        super().__init__()
        self.begun = begun


def may_begin(operation: AnyOperation, params: Any, signer: Signer | None) -> bool:
    """Return whether a call can be finished from its parsed form."""
    return signer is not None and signer.caller.session is None and operation.store_access(params) is StoreAccess.WRITE


def find_begun(stop: WouldBlockError) -> BegunCall | None:
    """Return the call to finish, or None if it has to begin anew."""
    return stop.begun if isinstance(stop, WriteBegunError) else None
