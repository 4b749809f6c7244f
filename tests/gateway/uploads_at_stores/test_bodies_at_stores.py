"""Bodies at real stores: intact uploads are stored, and tampered ones change no object."""

import socket
from datetime import UTC, datetime
from functools import cache

import pytest
from tests.gateway.relay import upload, upload_tampered
from tests.gateway.stores import StoreServer
from tests.gateway.tampering import BODY, cases, on_the_wire
from tests.gateway.uploads import FORMS, ClientKey, UploadForm, sign_head

from daypass.verify.s3.bodies.bodies import BodyProfile

SEAWEEDFS_PROFILES = {
    "plain": BodyProfile(commits_short_bodies=False, signed_chunks=True, signed_trailers=True),
    "plain, unsigned trailers": BodyProfile(commits_short_bodies=False, unsigned_trailers=True),
    "signed chunks": BodyProfile(commits_short_bodies=True),
    "signed chunks and trailers": BodyProfile(commits_short_bodies=True, signed_trailers=True),
}
MOTO = BodyProfile(commits_short_bodies=False, signed_chunks=True, signed_trailers=True, unsigned_trailers=True)
SIZES = (0, 1, 65536, len(BODY))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "profile"),
    [
        pytest.param(form, profile, id=f"{form.name}-{name}")
        for form in FORMS
        for name, profile in SEAWEEDFS_PROFILES.items()
        if form.has_length or not profile.commits_short_bodies
    ],
)
def test_seaweedfs_stores_an_intact_upload(form: UploadForm, profile: BodyProfile, seaweedfs: StoreServer) -> None:
    """Rule: the store accepts the chunks and trailers that we sign."""
    assert_stored(form, seaweedfs, profile)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_moto_stores_an_intact_upload(form: UploadForm, moto_store: StoreServer) -> None:
    """Rule: the store accepts the forms that its profile names."""
    assert_stored(form, moto_store, MOTO)


@cache
def shared_bucket(store: StoreServer) -> str:
    """Return one bucket for all uploads, because SeaweedFS takes long to create one."""
    return store.new_bucket()


def assert_stored(form: UploadForm, store: StoreServer, profile: BodyProfile) -> None:
    """Upload bodies of several sizes, and compare the objects."""
    bucket = shared_bucket(store)
    for size in SIZES:
        assert upload(form, BODY[:size], store, f"/{bucket}/key", profile) == 200
        answer = store.client().get_object(Bucket=bucket, Key="key")
        assert answer["Body"].read() == BODY[:size]
        assert not answer.get("ContentEncoding")


@pytest.mark.slow
@pytest.mark.parametrize("profile", SEAWEEDFS_PROFILES.values(), ids=SEAWEEDFS_PROFILES)
def test_a_tampered_upload_changes_no_object(profile: BodyProfile, seaweedfs: StoreServer) -> None:
    """Rule: neither an object that exists nor a new one is changed by an upload that is refused."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    client.put_object(Bucket=bucket, Key="key", Body=b"before")
    changed = []
    for case in cases():
        for key in ("key", "new"):
            assert upload_tampered(case, seaweedfs, f"/{bucket}/{key}", profile) is None
        if client.get_object(Bucket=bucket, Key="key")["Body"].read() != b"before":
            changed.append(str(case))
            client.put_object(Bucket=bucket, Key="key", Body=b"before")
    assert changed == []
    assert [each["Key"] for each in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["key"]


def test_seaweedfs_commits_a_head_without_a_body(seaweedfs: StoreServer) -> None:
    """Rule: the head leaves with the first bytes of the body, because this store commits a head alone."""
    bucket, client = seaweedfs.new_bucket(), seaweedfs.client()
    client.put_object(Bucket=bucket, Key="key", Body=b"before")
    headers = FORMS[0].headers(BODY) | {"host": f"127.0.0.1:{seaweedfs.port}"}
    key = ClientKey(seaweedfs.access_key_id, seaweedfs.secret)
    signed, signature = sign_head(key, "PUT", f"/{bucket}/key", headers, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    encoded = FORMS[0].encode(BODY, signature)
    encoded.cut = 0
    with socket.create_connection(("127.0.0.1", seaweedfs.port), timeout=30) as connection:
        connection.sendall(on_the_wire(FORMS[0], f"/{bucket}/key", signed, encoded))
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b""
