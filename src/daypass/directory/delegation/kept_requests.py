"""Delegation requests in the store.

A request is found by id, listed by owner, and unique by the requestor's workflow. Owns the records and links, the
bounded queue with at most one notification of each request, and the removal of long-expired requests.
"""

import hashlib
from datetime import datetime, timedelta

import msgspec

from daypass.directory import records
from daypass.directory.entities.delegation_entities import (
    OF_OWNER,
    OF_REQUESTOR,
    WAITING,
    DelegationRequest,
    Notification,
)
from daypass.directory.links import unlink_if_present
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Link, Reader, Writer
from daypass.ports import Entropy

MOST_REQUESTS = 1_000
MOST_WAITING = 200
"""Maximum of notifications of one requestor in the queue."""

_KEPT = timedelta(days=30)  # after a request has expired
_SWEPT = 20
_RANDOM_BYTES = 10


def new_request_id(now: datetime, entropy: Entropy) -> str:
    """Return a new id.

    It begins with the time, so that the oldest sort first.
    """
    return f"dr-{int(now.timestamp() * 1000):012x}{entropy(_RANDOM_BYTES).hex()}"


def find_request(reader: Reader, request_id: str) -> DelegationRequest | None:
    """Return a request of any account, or None."""
    return records.find_by_id(reader, DelegationRequest, request_id)


def requests_of_owner(reader: Reader, account: str, *, after: str, limit: int) -> list[DelegationRequest]:
    """Return the requests that identities of an account own, by id."""
    links = reader.targets(OF_OWNER, account, after=after, limit=limit)
    return records.find_all(reader, DelegationRequest, (link.target for link in links))


def has_workflow(reader: Reader, requestor: str, workflow: str) -> bool:
    """Return whether a requestor has a request of this workflow id."""
    return bool(reader.targets(OF_REQUESTOR, _workflow(requestor, workflow), limit=1))


def count_requests(reader: Reader, requestor: str) -> int:
    """Return the number of requests of a requestor."""
    return reader.count(records.kind_name(DelegationRequest), requestor)


def insert_request(writer: Writer, request: DelegationRequest) -> None:
    """Store a new request."""
    records.insert(writer, request)
    writer.link(Link(OF_REQUESTOR, _workflow(request.requestor, request.workflow), request.id))


def replace_request(writer: Writer, request: DelegationRequest) -> None:
    """Store the new state of a request.

    With an owner it is on the list of that account.
    """
    records.replace(writer, request)
    if request.owner:
        writer.link(Link(OF_OWNER, request.owner_account, request.id))


def sweep_requests(writer: Writer, requestor: str, now: datetime) -> None:
    """Remove long-expired requests of a requestor, the oldest first.

    One call removes a limited number.
    """
    for request in records.page(writer, DelegationRequest, requestor, limit=_SWEPT):
        if request.expires + _KEPT <= now:
            records.delete(writer, request)
            unlink_if_present(writer, OF_REQUESTOR, _workflow(request.requestor, request.workflow), request.id)
            # It may never have had an owner or a notification.
            unlink_if_present(writer, OF_OWNER, request.owner_account, request.id)
            unlink_if_present(writer, WAITING, request.requestor, request.id)


def new_notification(
    request: DelegationRequest, body: bytes, *, due: int, expires: int, entropy: Entropy, vault: SecretBox
) -> Notification:
    """Return a notification for the queue."""
    notification = Notification(
        id=entropy(16).hex(),
        url=request.channel,
        sealed_body=b"",
        due=due,
        expires=expires,
        requestor=request.requestor,
    )
    return msgspec.structs.replace(notification, sealed_body=vault.encrypt(body, bound_to=notification.bound_to))


def enqueue_notification(writer: Writer, request: DelegationRequest, notification: Notification) -> bool:
    """Put a notification into the queue.

    It replaces a waiting one of the same request. Returns False, without storing it, if the requestor's queue is full.
    After the commit, one of the servers sends it. It does not make the retry of a failed webhook earlier.
    """
    before = _waiting(writer, request)
    if before is None and _is_full(writer, request.requestor):
        return False
    if before is not None:
        records.delete(writer, before)
        later = max(notification.due, before.due)
        notification = msgspec.structs.replace(notification, due=later, attempts=before.attempts)
    records.insert(writer, notification)
    writer.link(Link(WAITING, request.requestor, request.id, notification.id.encode()))
    return True


def _waiting(reader: Reader, request: DelegationRequest) -> Notification | None:
    link = reader.find_link(WAITING, request.requestor, request.id)
    return None if link is None else records.find(reader, Notification, "", link.body.decode())


def _is_full(writer: Writer, requestor: str) -> bool:
    """Return whether the queue of a requestor is full.

    Removes links to sent notifications if they would count.
    """
    links = writer.targets(WAITING, requestor)
    if len(links) < MOST_WAITING:
        return False
    gone = [link for link in links if records.find(writer, Notification, "", link.body.decode()) is None]
    for link in gone:
        writer.unlink(WAITING, requestor, link.target)
    return len(links) - len(gone) >= MOST_WAITING


def due_notifications(reader: Reader, *, now: int, after: str = "", limit: int) -> list[Notification]:
    """Return due notifications after the place `after`, the oldest first."""
    notifications = records.page(reader, Notification, "", after=after, limit=limit)
    return [notification for notification in notifications if notification.due <= now]


def place_of(notification: Notification) -> str:
    """Return the place of a notification in the queue."""
    return records.to_record(notification).sort


def _workflow(requestor: str, workflow: str) -> str:
    # The name may be longer than the index of a store accepts.
    return f"{requestor}/{hashlib.sha256(workflow.encode()).hexdigest()}"
