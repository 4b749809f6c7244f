"""The answers of AssumeRole to one caller and one form.

They differ in the session alone. Owns the template of an answer: the grant without the session's name, and the XML
without the values of a session. The whole way (assume_role.py and the writer of the service model) makes it once, with
marks in place of these values, so that both ways give the same bytes. Leaves minting to credentials.py, and the
question how long a template is valid to authorize/call_templates.py.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from daypass.operations.operation import MARKED_NAME, Authorized, EncodeEvent, Result
from daypass.operations.request_context import RequestContext
from daypass.operations.sts.credentials import (
    Grant,
    GrantTemplate,
    make_grant_template,
    mint_by_template,
    utilization_of,
)
from daypass.operations.sts.role_session import Mint
from daypass.ports import Entropy
from daypass.wire.answer_template import make_answer_template
from daypass.wire.operation import OperationModel
from daypass.wire.response_shapes import xml_seconds

_KEY_ID, _SECRET, _TOKEN, _REQUEST_ID = "(access-key-id)", "(secret)", "(token)", "(request-id)"
MARKED_END = datetime(1971, 3, 5, 7, 9, 11, tzinfo=UTC)
_SIZE, _UTILIZATION = 111_222_333_444, 555_666_777_888


class AssumeRoleTemplate(msgspec.Struct, frozen=True):
    """The grant without the session's name, and two formats.

    They are the answer, and its part of the audit event.

    The event of a role of another account `is_shared`: the request id is in it.
    """

    grant: GrantTemplate
    document: str
    event: str
    is_shared: bool

    def answer(
        self, authorized: Authorized[Any], session_name: str, now: datetime, request_id: str, entropy: Entropy
    ) -> tuple[bytes, bytes]:
        """Return the answer with a new session, and its part of the audit event."""
        key_id, secret, expires, token = mint_by_template(
            self.grant, authorized, session_name, int(now.timestamp()), entropy
        )
        size, end = len(token), written_end(expires)
        values = (
            key_id,
            secret,
            token,
            end,
            session_name,
            session_name,
            utilization_of(size),
            size,
            request_id,
        )
        issued = (key_id, end, session_name, session_name)
        event = self.event % ((*issued, request_id) if self.is_shared else issued)
        return (self.document % values).encode(), event.encode()


def make_assume_role_template(
    grant_by: Callable[[Mint], Result],
    model: OperationModel,
    authorized: Authorized[Any],
    ctx: RequestContext,
    encode_event: EncodeEvent,
) -> AssumeRoleTemplate | None:
    """Return the template, or None if the answer is not of the usual form.

    `grant_by` returns the answer with the session of its argument. The session's name is MARKED_NAME.
    """
    grants: list[Grant] = []

    def mark(grant: Grant, _authorized: Authorized[Any], _ctx: RequestContext) -> dict[str, Any]:
        grants.append(grant)
        return {"AccessKeyId": _KEY_ID, "SecretAccessKey": _SECRET, "SessionToken": _TOKEN, "Expiration": MARKED_END}

    result = {**grant_by(mark), "SessionTokenSize": _SIZE, "SessionTokenUtilization": _UTILIZATION}
    marks = (
        _KEY_ID,
        _SECRET,
        _TOKEN,
        xml_seconds(MARKED_END),
        MARKED_NAME,
        MARKED_NAME,
        str(_UTILIZATION),
        str(_SIZE),
        _REQUEST_ID,
    )
    account, role = authorized.caller.account, authorized.role
    is_shared = role is not None and account not in {"", role.account}
    issued = (_KEY_ID, xml_seconds(MARKED_END), MARKED_NAME, MARKED_NAME, *([_REQUEST_ID] if is_shared else []))
    try:
        document = make_answer_template(model.render(result, _REQUEST_ID).decode(), marks)
        event = make_answer_template(encode_event(result, role, account, _REQUEST_ID).decode(), issued)
        return AssumeRoleTemplate(make_grant_template(grants[0], authorized.caller, ctx), document, event, is_shared)
    except ValueError:
        return None


@lru_cache(maxsize=256)  # sessions that are issued in one second end together
def written_end(expires: int) -> str:
    """Return the end of a session as an answer has it."""
    return xml_seconds(datetime.fromtimestamp(expires, UTC))
