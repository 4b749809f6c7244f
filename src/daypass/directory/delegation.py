"""Delegation requests as the store keeps them: found by id, listed by owner, unique by the requestor's workflow.

Owns their records and links, the queue of notices, and that a requestor's long-expired requests make room for new ones.
"""

import hashlib
from datetime import datetime, timedelta

import msgspec

from daypass.directory import records
from daypass.directory.delegation_entities import OF_OWNER, OF_REQUESTOR, DelegationRequest, Notice
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Link, Missing, Reader, Writer
from daypass.ports import Entropy

MOST_REQUESTS = 1_000
_KEPT = timedelta(days=30)  # after a request has expired
_SWEPT = 20
_RANDOM_BYTES = 10


def new_request_id(now: datetime, entropy: Entropy) -> str:
    """Return a new id. It begins with the time, so that the oldest requests stand first."""
    return f"dr-{int(now.timestamp() * 1000):012x}{entropy(_RANDOM_BYTES).hex()}"


def find_request(reader: Reader, request_id: str) -> DelegationRequest | None:
    """Return a request of any account, or None."""
    return records.find_by_id(reader, DelegationRequest, request_id)


def requests_of_owner(reader: Reader, account: str, *, after: str, limit: int) -> list[DelegationRequest]:
    """Return the requests that identities of an account have taken on, by id."""
    links = reader.targets(OF_OWNER, account, after=after, limit=limit)
    found = (find_request(reader, link.target) for link in links)
    return [request for request in found if request is not None]


def has_workflow(reader: Reader, requestor: str, workflow: str) -> bool:
    """Tell whether a requestor has a request of this workflow id."""
    return bool(reader.targets(OF_REQUESTOR, _workflow(requestor, workflow), limit=1))


def count_requests(reader: Reader, requestor: str) -> int:
    """Return how many requests a requestor has."""
    return reader.count(records.kind_name(DelegationRequest), requestor)


def insert_request(writer: Writer, request: DelegationRequest) -> None:
    """Store a new request."""
    records.insert(writer, request)
    writer.link(Link(OF_REQUESTOR, _workflow(request.requestor, request.workflow), request.id))


def replace_request(writer: Writer, request: DelegationRequest) -> None:
    """Store a request's new state. From the moment it has an owner it is on the owner's account's list."""
    records.replace(writer, request)
    if request.owner:
        writer.link(Link(OF_OWNER, request.owner_account, request.id))


def sweep_requests(writer: Writer, requestor: str, now: datetime) -> None:
    """Remove some of a requestor's requests that expired long ago, the oldest first."""
    for record in writer.page(records.kind_name(DelegationRequest), requestor, limit=_SWEPT):
        request = records.to_entity(DelegationRequest, record)
        if request.expires + _KEPT <= now:
            records.delete(writer, request)
            _unlink(writer, OF_REQUESTOR, _workflow(request.requestor, request.workflow), request.id)
            _unlink(writer, OF_OWNER, request.owner_account, request.id)


def new_notice(url: str, body: bytes, *, due: int, expires: int, entropy: Entropy, vault: SecretBox) -> Notice:
    """Return a message for the queue. Once it is stored, and the transaction stands, somebody posts it."""
    notice = Notice(id=entropy(16).hex(), url=url, sealed_body=b"", due=due, expires=expires)
    return msgspec.structs.replace(notice, sealed_body=vault.encrypt(body, bound_to=notice.bound_to))


def due_notices(reader: Reader, *, now: int, limit: int) -> list[Notice]:
    """Return notices that are due, those that have waited longest first."""
    page = reader.page(records.kind_name(Notice), "", limit=limit)
    notices = [records.to_entity(Notice, record) for record in page]
    return [notice for notice in notices if notice.due <= now]


def _workflow(requestor: str, workflow: str) -> str:
    # The name may be longer than a store's index bears.
    return f"{requestor}/{hashlib.sha256(workflow.encode()).hexdigest()}"


def _unlink(writer: Writer, kind: str, source: str, target: str) -> None:
    try:
        writer.unlink(kind, source, target)
    except Missing:
        return  # It never had an owner.
