"""Edits of the answers of stores.

Owns what a client must not see of a store or would misunderstand, in the body of a successful answer:

- The store's Location of a completed upload becomes the gateway's.
- The owner of buckets and objects is the account, not the user that the gateway is at the store.
- CompleteMultipartUpload and the copies answer 200 before they know the outcome: an Error in the body is an error.
- A missing object is 403 for a caller that must not list the bucket, as on S3.

Leaves headers and the errors of stores to store_answers.py.
"""

import re
from collections.abc import Callable
from xml.sax.saxutils import escape

from daypass.gateway.audit_events import RequestExchange
from daypass.gateway.buckets.buckets import canonical_id
from daypass.gateway.plan import EditAnswer, HeaderPairs, PassAnswer, Respond
from daypass.gateway.stores.store_answers import LONGEST_ERROR, Alarm, Edit, StoreAnswers
from daypass.verify.s3.errors import ERRORS

Missing = Callable[[], Exception | None]

_OK, _FIRST_ERROR, _NOT_FOUND = 200, 400, 404
_LOCATION = re.compile(rb"<Location>[^<]*</Location>")
_FAILED = re.compile(rb"<Error[ >]")
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,100})</Code>")

MAY_FAIL_LATE = frozenset({"CompleteMultipartUpload", "CopyObject", "UploadPartCopy"})
"""Operations whose answer may be 200 with an Error in its body."""

WITH_OWNERS = frozenset({"ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "ListParts"})
"""Lists that name owners."""

OF_AN_OBJECT = frozenset(
    {
        "CopyObject",
        "DeleteObjectTagging",
        "GetObject",
        "GetObjectAcl",
        "GetObjectAttributes",
        "GetObjectLegalHold",
        "GetObjectRetention",
        "GetObjectTagging",
        "GetObjectTorrent",
        "HeadObject",
        "PutObjectLegalHold",
        "PutObjectRetention",
        "PutObjectTagging",
        "RestoreObject",
        "SelectObjectContent",
        "UploadPartCopy",
    }
)
"""Operations whose 404 says that an object does not exist."""


def own_account(body: bytes, account: str) -> bytes:
    """Return a list in which the account owns everything."""
    owner = b"<ID>%b</ID>" % canonical_id(account).encode()
    return _replace_content(_replace_content(body, b"Owner", owner), b"Initiator", owner)


def _replace_content(body: bytes, name: bytes, content: bytes) -> bytes:
    """Return a body in which every element of a name has this content.

    The content of an element without an end is dropped. The time is linear, also for the answer of a broken store.
    """
    start, end = b"<%b>" % name, b"</%b>" % name
    first, *parts = body.split(start)
    return first + b"".join([start + content + end + part.partition(end)[2] for part in parts])


def with_location(body: bytes, location: str) -> bytes:
    """Return the answer to a completed upload with the gateway's Location."""
    text = b"<Location>%b</Location>" % escape(location).encode()
    return _LOCATION.sub(lambda _: text, body)


class NotedAnswers(StoreAnswers):
    """A rule that notes the store's error code for the audit event."""

    _exchange: RequestExchange

    def begin(self, status: int, headers: HeaderPairs) -> PassAnswer | EditAnswer:
        """Return what to do with an answer, given its status and headers."""
        found = super().begin(status, headers)
        if status < _FIRST_ERROR or not isinstance(found, EditAnswer):
            return found
        return EditAnswer(found.limit, lambda body: self._noted(body, found), waits=found.waits)

    def _noted(self, body: bytes, found: EditAnswer) -> Respond:
        code = _CODE.search(body)
        if code is not None:
            self._exchange.store_code = code[1].decode()
        return found.finish(body)


class ObjectAnswers(NotedAnswers):
    """The rule for the answers about one object.

    A 404 of the store is decided again: `missing` returns the refusal of s3:ListBucket, or None if the caller may know.
    It may block, and runs on a worker thread.
    """

    hides: Missing | None = None

    def begin(self, status: int, headers: HeaderPairs) -> PassAnswer | EditAnswer:
        """Return what to do with an answer, given its status and headers."""
        if status == _NOT_FOUND and self.hides is not None:
            return EditAnswer(LONGEST_ERROR, lambda body: self._hidden(headers, body), waits=True)
        return super().begin(status, headers)

    def _hidden(self, headers: HeaderPairs, body: bytes) -> Respond:
        refusal = None if self.hides is None else self.hides()
        if refusal is not None:
            return self._exchange.refuse(refusal)
        shown = super().begin(_NOT_FOUND, headers)
        if isinstance(shown, EditAnswer):
            return shown.finish(body)
        return self._exchange.refuse(RuntimeError("an answer without a body"))


class LateAnswers(ObjectAnswers):
    """The rule for operations whose 200 may have an Error in its body."""

    def begin(self, status: int, headers: HeaderPairs) -> PassAnswer | EditAnswer:
        """Return what to do with an answer, given its status and headers."""
        found = super().begin(status, headers)
        if status != _OK or not isinstance(found, EditAnswer):
            return found
        return EditAnswer(found.limit, lambda body: self._checked(headers, body, found), waits=found.waits)

    def _checked(self, headers: HeaderPairs, body: bytes, found: EditAnswer) -> Respond:
        failed = _FAILED.search(body)
        if failed is None:
            return found.finish(body)
        code = _CODE.search(body, failed.start())
        row = None if code is None else ERRORS.get(code[1].decode())
        answer = super().begin(500 if row is None else row.status, headers)
        return answer.finish(body) if isinstance(answer, EditAnswer) else found.finish(body)


def answer_rule(  # noqa: PLR0913 - the parts of the rule
    exchange: RequestExchange,
    name: str,
    *,
    account: str,
    region: str,
    location: Callable[[], str],
    missing: Missing,
    on_alarm: Alarm,
) -> StoreAnswers:
    """Return the rule for the answers to an operation.

    `account` and `region` are those of the bucket, and `location` returns the address of the object at this gateway.
    """
    if name in WITH_OWNERS:
        return NotedAnswers(exchange, edit=_edit(exchange, lambda body: own_account(body, account)), on_alarm=on_alarm)
    answers: ObjectAnswers
    if name in MAY_FAIL_LATE:
        edit = _edit(exchange, lambda body: with_location(body, location()))
        answers = LateAnswers(exchange, edit=edit, on_alarm=on_alarm)
    else:
        added = ((b"x-amz-bucket-region", region.encode()),) if name == "HeadBucket" else ()
        answers = ObjectAnswers(exchange, is_head=name.startswith("Head"), added=added, on_alarm=on_alarm)
    if name in OF_AN_OBJECT:
        answers.hides = missing
    return answers


def _edit(exchange: RequestExchange, change: Callable[[bytes], bytes]) -> Edit:
    def edit(status: int, headers: HeaderPairs, body: bytes) -> Respond:
        return exchange.respond(status, headers, change(body))

    return edit
