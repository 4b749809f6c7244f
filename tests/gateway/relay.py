"""A gateway reduced to its body: an upload goes through a transform to a real store.

Owns the connection to the store alone: it sends the head with the first bytes, and closes the connection if the upload
is refused or cut, as the gateway does.
"""

import socket
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from tests.gateway.stores import StoreServer
from tests.gateway.tampering import TamperedUpload
from tests.gateway.uploads import ClientKey, EncodedBody, UploadForm, sign_head
from tests.verify.s3.transforms import claim_of, client_signature, seed_of

from daypass.verify.s3.bodies.bodies import BodyPlan, BodyProfile, plan_body
from daypass.verify.s3.errors import S3Error

_STEP = 30_000


def upload(form: UploadForm, body: bytes, store: StoreServer, path: str, profile: BodyProfile) -> int | None:
    """Send an intact upload, and return the store's status."""
    headers = form.headers(body)
    encoded = form.encode(body, client_signature(headers))
    return _relay(form, headers, encoded, _Target(store, path), profile)


def upload_tampered(case: TamperedUpload, store: StoreServer, path: str, profile: BodyProfile) -> int | None:
    """Send a tampered upload. Return the store's status if it answered, else None."""
    headers = case.headers()
    encoded = case.encoded(client_signature(headers))
    return _relay(case.form, headers, encoded, _Target(store, path), profile)


@dataclass(frozen=True)
class _Target:
    store: StoreServer
    path: str


def _relay(
    form: UploadForm, headers: dict[str, str], encoded: EncodedBody, target: _Target, profile: BodyProfile
) -> int | None:
    body = encoded.joined()
    try:
        plan = plan_body(claim_of(form, headers, len(body), client_signature(headers)), profile)
    except S3Error:
        return None
    return _send(plan, body[: encoded.cut], target, cut=encoded.cut is not None)


def send_planned(plan: BodyPlan, body: bytes, store: StoreServer, path: str) -> int | None:
    """Send a body by its plan, and return the store's status, or None if it was refused."""
    return _send(plan, body, _Target(store, path), cut=False)


def _send(plan: BodyPlan, body: bytes, target: _Target, *, cut: bool) -> int | None:
    with closing(_StoreConnection(target, plan)) as connection:
        if plan.make is None:
            connection.send([])
            return connection.status()
        transform = plan.make(seed_of(connection.signature))
        try:
            for piece in _split(body):
                connection.send_some(transform.feed(piece))
            if cut:
                return None
            connection.send(transform.finish())
        except S3Error:
            return None
        return connection.status()


def _split(body: bytes) -> list[bytes]:
    return [body[at : at + _STEP] for at in range(0, len(body), _STEP)]


class _StoreConnection:
    def __init__(self, target: _Target, plan: BodyPlan) -> None:
        store, path = target.store, target.path
        self._address = ("127.0.0.1", store.port)
        self._socket: socket.socket | None = None
        headers = {name.decode(): value.decode() for name, value in plan.headers.items()}
        headers |= {"host": f"127.0.0.1:{store.port}", "x-amz-content-sha256": plan.payload}
        key = ClientKey(store.access_key_id, store.secret, region=store.region)
        signed, self.signature = sign_head(key, "PUT", path, headers, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        lines = "".join([f"{name}: {value}\r\n" for name, value in signed.items()])
        self._head = f"PUT {quote(path)} HTTP/1.1\r\n{lines}\r\n".encode()

    def send_some(self, pieces: Iterable[bytes | memoryview]) -> None:
        data = b"".join(pieces)
        if data:
            self.send([data])

    def send(self, pieces: Iterable[bytes | memoryview]) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=30)
            self._socket.sendall(self._head)
        self._socket.sendall(b"".join(pieces))

    def status(self) -> int:
        assert self._socket is not None
        return int(self._socket.recv(65536).split(b" ", 2)[1])

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
