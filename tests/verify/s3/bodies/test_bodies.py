"""Bodies of uploads: what goes to the store, and what never does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.tampering import BODY, TamperedUpload, cases
from tests.gateway.uploads import FORMS, ChunkChain, UploadForm, encode_chunk
from tests.verify.s3.transforms import (
    PROFILES,
    StoreModel,
    claim_of,
    client_signature,
    seed_of,
    split_chunks,
    store_signature,
)

from daypass.verify.s3.bodies.bodies import BodyProfile, plan_body
from daypass.verify.s3.bodies.body_transform import BodyTransform
from daypass.verify.s3.errors import S3Error

COMBINATIONS = [
    pytest.param(form, profile, id=f"{form.name}-{name}")
    for form in FORMS
    for name, profile in PROFILES.items()
    if form.has_length or not profile.commits_short_bodies
]
by_form_and_profile = pytest.mark.parametrize(("form", "profile"), COMBINATIONS)
SIZES = (0, 1, 8192, 65535, 65536, 65537, len(BODY))


def upload(form: UploadForm, body: bytes, profile: BodyProfile, step: int, operation: str = "PutObject") -> StoreModel:
    """Send an intact upload through a transform, `step` bytes at a time."""
    headers = form.headers(body)
    signature = client_signature(headers)
    encoded = form.encode(body, signature).joined()
    plan = plan_body(claim_of(form, headers, len(encoded), signature, operation), profile)
    store = StoreModel(plan)
    if plan.make is None:
        store.add([], last=True)
        return store
    transform = plan.make(seed_of(store_signature(plan)))
    for at in range(0, len(encoded), step):
        store.add(transform.feed(encoded[at : at + step]))
        assert not store.complete
    store.add(transform.finish(), last=True)
    return store


@by_form_and_profile
@pytest.mark.parametrize("size", SIZES)
def test_the_store_gets_the_body(form: UploadForm, size: int, profile: BodyProfile) -> None:
    """Rule: the decoded body, its length and its framing agree."""
    body = BODY[:size]
    store = upload(form, body, profile, 50_000)
    assert store.decoded() == body
    assert store.complete
    if b"content-length" in store.plan.headers:
        assert len(store.received) == int(store.plan.headers[b"content-length"])
    assert b"content-encoding" not in store.plan.headers


@by_form_and_profile
def test_chunks_to_the_store_are_signed_with_its_key(form: UploadForm, profile: BodyProfile) -> None:
    """Rule: the store verifies chunks and trailer with its own key, from the seed of its own head."""
    store = upload(form, BODY, profile, 50_000)
    if not store.plan.payload.startswith("STREAMING-AWS4"):
        return
    signature = store_signature(store.plan)
    chain, expected = ChunkChain(signature), b""
    for _line, data in split_chunks(store.body()):
        expected += b"".join(encode_chunk(data, chain))
    expected += encode_chunk(b"", chain)[0]
    if b"x-amz-trailer" in store.plan.headers:
        line = store.body().removeprefix(expected).split(b"\r\n")[0]
        expected += line + b"\r\nx-amz-trailer-signature:" + chain.trailer(line + b"\n").encode() + b"\r\n"
    assert store.body() == expected + b"\r\n"


@pytest.mark.parametrize("form", [form for form in FORMS if not form.has_length], ids=lambda form: form.name)
def test_a_body_without_a_length_cannot_be_signed_in_chunks(form: UploadForm) -> None:
    """Rule: S3's chunks need the decoded length before the first byte."""
    with pytest.raises(S3Error, match="MissingContentLength"):
        upload(form, BODY, BodyProfile(), 50_000)


@pytest.mark.parametrize("form", [form for form in FORMS if form.has_length], ids=lambda form: form.name)
def test_a_store_that_commits_short_bodies_gets_signed_chunks(form: UploadForm) -> None:
    """Rule: such a store can see that a body was cut, thus no object has another form."""
    payload = upload(form, BODY, BodyProfile(), 50_000).plan.payload
    assert payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([each.values for each in COMBINATIONS]), st.lists(st.integers(1, 70_000), max_size=20))
def test_the_split_of_the_input_does_not_matter(combination: Any, steps: list[int]) -> None:
    """Rule: the bytes for the store depend on the body alone."""
    form, profile = combination
    whole = upload(form, BODY, profile, len(BODY) * 2)
    headers = form.headers(BODY)
    signature = client_signature(headers)
    encoded = form.encode(BODY, signature).joined()
    plan = plan_body(claim_of(form, headers, len(encoded), signature), profile)
    assert plan.make is not None
    transform, store = plan.make(seed_of(store_signature(plan))), StoreModel(plan)
    for step in steps:
        store.add(transform.feed(encoded[:step]))
        encoded = encoded[step:]
    store.add(transform.feed(encoded))
    store.add(transform.finish(), last=True)
    assert store.body() == whole.body()


@pytest.mark.parametrize("form", [form for form in FORMS if form.streaming], ids=lambda form: form.name)
def test_a_body_may_come_byte_by_byte(form: UploadForm) -> None:
    """Rule: lines and signatures may be split anywhere."""
    body = BODY[:20_000]
    assert upload(form, body, BodyProfile(), 1).decoded() == body


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_tampered_upload_never_has_an_end(case: TamperedUpload) -> None:
    """Rule: the store gets neither the last byte of the object nor the end of the request."""
    for profile in PROFILES.values():
        for step in (7_001, 1_000_000):
            send_tampered(case, step, profile)


def send_tampered(case: TamperedUpload, step: int, profile: BodyProfile) -> None:
    """Send a case through a transform. Assert that the store cannot commit it."""
    headers = case.headers()
    signature = client_signature(headers)
    encoded = case.encoded(signature)
    body = encoded.joined()
    try:
        plan = plan_body(claim_of(case.form, headers, len(body), signature), profile)
    except S3Error:
        return
    assert plan.make is not None
    transform, store = plan.make(seed_of(store_signature(plan))), StoreModel(plan)
    feed_all(transform, store, body[: encoded.cut], step, cut=encoded.cut is not None)
    assert not store.complete
    assert len(store.decoded()) < len(BODY)


SMALL = BODY[:30_000]
CHANGES = st.tuples(
    st.sampled_from(["replace", "delete", "repeat", "move", "cut"]),
    st.integers(0),
    st.integers(0),
    st.integers(1, 9_000),
)


def change(body: bytes, kind: str, at: int, to: int, size: int) -> bytes:
    """Return the body with one random change."""
    at, to = at % len(body), to % len(body)
    part = body[at : at + size]
    changed = {
        "replace": lambda: body[:at] + bytes([to % 256]) + body[at + 1 :],
        "delete": lambda: body[:at] + body[at + size :],
        "repeat": lambda: body[: at + size] + part + body[at + size :],
        "move": lambda: (body[:at] + body[at + size :])[:to] + part + (body[:at] + body[at + size :])[to:],
        "cut": lambda: body[:at],
    }
    return changed[kind]()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([form for form in FORMS if form.verified]), st.sampled_from(list(PROFILES.values())), CHANGES)
def test_a_random_change_never_reaches_an_object(
    form: UploadForm, profile: BodyProfile, change_of_body: tuple[str, int, int, int]
) -> None:
    """Rule: the store has a whole request only if the object is what the client signed or summed up."""
    small = replace(form, chunk=8 * 1024)
    headers = small.headers(SMALL)
    signature = client_signature(headers)
    encoded = change(small.encode(SMALL, signature).joined(), *change_of_body)
    try:
        plan = plan_body(claim_of(small, headers, len(encoded), signature), profile)
    except S3Error:
        return
    store = StoreModel(plan)
    try:
        assert plan.make is not None
        transform = plan.make(seed_of(store_signature(plan)))
        store.add(transform.feed(encoded))
        store.add(transform.finish(), last=True)
    except S3Error:
        assert not store.complete
    else:
        assert store.decoded() == SMALL


def feed_all(transform: BodyTransform, store: StoreModel, body: bytes, step: int, *, cut: bool) -> None:
    """Feed a body until it is refused or cut. Assert that nothing comes afterwards."""
    try:
        for at in range(0, len(body), step):
            store.add(transform.feed(body[at : at + step]))
        if cut:
            return
        store.add(transform.finish(), last=True)
    except S3Error:
        with pytest.raises(S3Error):
            transform.finish()
        with pytest.raises(S3Error):
            transform.feed(b"x")
    else:
        pytest.fail("the upload was not refused")
