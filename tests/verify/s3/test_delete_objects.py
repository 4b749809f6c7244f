"""DeleteObjects: the keys of the request, the request for the store, and the merged answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.stores import StoreServer

from daypass.verify.s3.documents.delete_objects import (
    MAX_DELETE_BODY,
    DeleteRequest,
    DeniedObject,
    ObjectToDelete,
    merge_delete_answer,
    parse_delete_request,
    write_delete_request,
)
from daypass.verify.s3.documents.xml_bodies import parse_xml_body
from daypass.verify.s3.errors import S3Error, s3_error

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
KEYS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]) | st.sampled_from("\r\n\t"), min_size=1
)
OBJECTS = st.builds(ObjectToDelete, KEYS, st.none() | st.text("abc", min_size=1))
MALFORMED = (
    b"",
    b"<Delete></Delete>",
    b"<Delete><Object></Object></Delete>",
    b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
    b"<Delete><Object><Key>a</Key><Bucket>b</Bucket></Object></Delete>",
    b"<Delete><Object><Key>a<b/></Key></Object></Delete>",
    b"<Delete><Object><Key>a</Key><VersionId></VersionId></Object></Delete>",
    b"<Delete><Object><Key>a</Key></Object><Force>true</Force></Delete>",
    b"<Delete><Object><Key>a</Key></Object><Quiet>yes</Quiet></Delete>",
    b"<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet><Quiet>false</Quiet></Delete>",
    b"<Remove><Object><Key>a</Key></Object></Remove>",
    b'<!DOCTYPE Delete [<!ENTITY k "a">]><Delete><Object><Key>&k;</Key></Object></Delete>',
    b"<Delete><Object><Key><!-- x -->a</Key></Object></Delete>",
    b"<Delete><Object><Key><![CDATA[a]]></Key></Object></Delete>",
    b'<Delete xmlns="urn:other"><Object><Key>a</Key></Object></Delete>',
    b'<Delete xmlns:o="urn:other"><Object><Key>a</Key></Object><o:Object><Key>b</Key></o:Object></Delete>',
    b"<Delete><Object><Key>a</Key></Object></Delete><Delete/>",
    '<?xml version="1.0" encoding="utf-16"?><Delete><Object><Key>a</Key></Object></Delete>'.encode("utf-16"),
    b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1_001 + b"</Delete>",
)


@given(st.lists(OBJECTS, min_size=1, max_size=20))
def test_the_store_gets_the_keys_that_were_read(objects: list[ObjectToDelete]) -> None:
    """Rule: a key of our body means the same at every parser."""
    assert parse_delete_request(write_delete_request(objects)) == DeleteRequest(tuple(objects), quiet=False)


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: body[:60])
def test_a_body_with_another_meaning_is_refused(body: bytes) -> None:
    """Rule: a body that another parser could read in another way does not reach the store."""
    with pytest.raises(S3Error):
        parse_delete_request(body)


def test_a_large_body_is_refused() -> None:
    """Rule: a body has at most 2 MiB."""
    with pytest.raises(S3Error, match="MaxMessageLengthExceeded"):
        parse_delete_request(b" " * (MAX_DELETE_BODY + 1))


def test_a_thousand_keys_are_accepted() -> None:
    """Rule: a body has at most 1,000 keys."""
    assert (
        len(parse_delete_request(b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1_000 + b"</Delete>").objects)
        == 1_000
    )


REQUEST = DeleteRequest((ObjectToDelete("a"), ObjectToDelete("<b>"), ObjectToDelete("c", "v1")), quiet=False)
DENIED = (DeniedObject(REQUEST.objects[1], s3_error("AccessDenied")),)


def result(*entries: str) -> bytes:
    """Return an answer of a store."""
    return f"<DeleteResult {NAMESPACE}>{''.join(entries)}</DeleteResult>".encode()


def outcome(body: bytes) -> list[tuple[str, str | None, str | None]]:
    """Return the kind, the key and the code of each entry."""
    entries = parse_xml_body(body).expect("DeleteResult").children()
    return [(entry.name, entry.find_text("Key"), entry.find_text("Code")) for entry in entries]


def test_denied_keys_are_errors_in_the_answer() -> None:
    """Rule: a denied key is an Error of a 200, and the others have the store's outcome."""
    store = result(
        "<Deleted><Key>a</Key><Secret>x</Secret></Deleted>",
        "<Error><Key>c</Key><VersionId>v1</VersionId><Code>NoSuchVersion</Code><Message>m</Message></Error>",
    )
    merged = merge_delete_answer(REQUEST, DENIED, store)
    assert outcome(merged) == [
        ("Deleted", "a", None),
        ("Error", "c", "NoSuchVersion"),
        ("Error", "<b>", "AccessDenied"),
    ]
    assert b"Secret" not in merged


def test_a_quiet_request_gets_errors_alone() -> None:
    """Rule: the store is always asked for a full answer; Deleted entries are left out here."""
    store = result("<Deleted><Key>a</Key></Deleted>", "<Deleted><Key>c</Key></Deleted>")
    merged = merge_delete_answer(DeleteRequest(REQUEST.objects, quiet=True), DENIED, store)
    assert outcome(merged) == [("Error", "<b>", "AccessDenied")]


def test_the_store_is_not_asked_if_every_key_is_denied() -> None:
    """Rule: an empty Delete would be an error at the store."""
    denied = [DeniedObject(target, s3_error("AccessDenied")) for target in REQUEST.objects]
    assert len(outcome(merge_delete_answer(REQUEST, denied, None))) == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        result("<Deleted><Key>a</Key></Deleted>"),
        result("<Deleted><Key>a</Key></Deleted>", "<Deleted><Key>c</Key></Deleted>", "<Deleted><Key>d</Key></Deleted>"),
        result(
            "<Deleted><Key>a</Key></Deleted>", "<Deleted><Key>c</Key></Deleted>", "<Deleted><Key>&lt;b></Key></Deleted>"
        ),
        None,
    ],
)
def test_an_answer_about_other_keys_is_an_error(answer: bytes | None) -> None:
    """Rule: the answer names the keys that the store was asked for."""
    with pytest.raises(S3Error, match="InternalError"):
        merge_delete_answer(REQUEST, DENIED, answer)


@pytest.mark.parametrize("name", [pytest.param("seaweedfs", marks=pytest.mark.component("seaweedfs")), "moto_store"])
def test_real_stores_answer_as_expected(name: str, request: pytest.FixtureRequest) -> None:
    """Rule: the stores read our body, and their answers can be merged."""
    store: StoreServer = request.getfixturevalue(name)
    bucket, client = store.new_bucket(), store.client()
    for key in ("a", "b & <c>", "d"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    captured = capture_answer(client)
    objects = (ObjectToDelete("a"), ObjectToDelete("b & <c>"), ObjectToDelete("missing"))
    wanted = parse_delete_request(write_delete_request(objects))
    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": each.key} for each in wanted.objects]})
    merged = merge_delete_answer(DeleteRequest(objects, quiet=False), (), captured[0])
    assert outcome(merged) == [("Deleted", "a", None), ("Deleted", "b & <c>", None), ("Deleted", "missing", None)]


def capture_answer(client: Any) -> list[bytes]:
    """Return a list that gets the body of the next answer."""
    bodies: list[bytes] = []
    client.meta.events.register(
        "before-parse.s3.DeleteObjects", lambda response_dict, **_: bodies.append(response_dict["body"])
    )
    return bodies
