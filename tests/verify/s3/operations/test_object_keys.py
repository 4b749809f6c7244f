"""Object keys have one spelling and one meaning."""

from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.verify.s3.s3_requests import parse

from daypass.verify.s3.errors import S3Error
from daypass.verify.s3.operations.object_keys import (
    EXACT,
    FOLDED,
    KeyRule,
    check_key_prefix,
    check_object_key,
    decode_text,
    encode_path,
)


def _key_of(path: str, rule: KeyRule = FOLDED) -> str:
    try:
        return parse("GET", path, rule=rule).key
    except S3Error as error:
        return f"{error.code} {error.detail}"


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b01/a/b", "a/b"),
        ("/b01/a%2Fb", "a/b"),
        ("/b01/%61/b", "a/b"),
        ("/b01/a+b%20c", "a+b c"),
        ("/b01/%C3%BC%20%2B.txt", "ü +.txt"),
        ("/b01/u%CC%88", "u\u0308"),
        ("/b01/a%0Ab", "a\nb"),
        ("/b01/a%252Fb", "a%2Fb"),
        ("/b01/folder/", "folder/"),
        ("/b01/.hidden/..x/...", ".hidden/..x/..."),
        ("/b01/a?versionId=1", "a"),
        ("/b01/a%3Fversions", "a?versions"),
    ],
)
def test_a_key_is_decoded_once(path: str, key: str) -> None:
    """Every byte of a key that is not ambiguous is kept."""
    request = parse("GET", path)
    assert request.key == key
    assert request.canonical_path == b"/b01/" + quote(key, safe="-_.~/").encode()


@pytest.mark.parametrize(
    "path",
    [
        "/b01/../b02/k",
        "/b01/a/../k",
        "/b01/a/./k",
        "/b01/a/..",
        "/b01/%2e%2e/k",
        "/b01/a%5c..%5ck",
        "/b01/a/..%5Ck",
        "/b01/a%00",
        "/b01/%ff",
        "/b01/%c0%ae%c0%ae/k",
        "/b01/%ed%a0%80",
        "/b01/a%",
        "/b01/a%2",
        "/b01/a%zz",
        "//b01/k",
        "//",
        "/%2Fb01/k",
    ],
)
@pytest.mark.parametrize("rule", [FOLDED, EXACT])
def test_these_paths_are_refused_for_every_store(path: str, rule: KeyRule) -> None:
    """Dot segments, NUL, invalid UTF-8, malformed escapes and an empty bucket."""
    assert _key_of(path, rule).startswith("InvalidURI")


@pytest.mark.parametrize(
    "path",
    [
        "/b01//secret/x",
        "/b01/%2Fsecret/x",
        "/b01/a//b",
        "/b01/a%2F%2Fb",
        "/b01/secret%5Cx",
        "/b01/a//",
        "/b01/.uploads/1/0001.part",
        "/b01/a/.uploads",
        "/b01/secret.txt.versions/v_1",
    ],
)
def test_a_store_that_folds_keys_does_not_get_ambiguous_ones(path: str) -> None:
    """SeaweedFS answers `//secret/x`, and a backslash for the slash, with the object `secret/x`."""
    assert _key_of(path, FOLDED).startswith("InvalidURI")
    assert not _key_of(path, EXACT).startswith("InvalidURI")


def test_a_store_that_folds_case_gets_lower_case_only() -> None:
    """`SECRET/x` would be `secret/x`."""
    rule = KeyRule(folds_case=True)
    assert _key_of("/b01/secret/x", rule) == "secret/x"
    for path in ("/b01/SECRET/x", "/b01/secret/X", "/b01/%C3%9Cber", "/b01/%C5%BFecret"):
        assert _key_of(path, rule).startswith("InvalidURI")


@pytest.mark.parametrize(
    ("key", "code"), [("a" * 1024, ""), ("a" * 1025, "KeyTooLongError"), ("ü" * 513, "KeyTooLongError")]
)
def test_a_key_has_at_most_1024_bytes(key: str, code: str) -> None:
    """The bound is of UTF-8, after decoding."""
    found = _key_of("/b01/" + quote(key))
    assert found == key if not code else found.startswith(code)


@pytest.mark.parametrize(
    ("prefix", "folded", "exact"),
    [
        ("", True, True),
        ("a/b", True, True),
        ("a/.hid", True, True),
        ("a/.", False, True),
        ("a/..", False, False),
        ("../", False, False),
        ("a/../b", False, False),
        ("a/./b", False, False),
        ("a..", True, True),
        ("/", False, True),
        ("a//b", False, True),
        ("a\\..\\b", False, False),
        ("a\0", False, False),
    ],
)
def test_a_prefix_may_end_anywhere(prefix: str, folded: bool, exact: bool) -> None:  # noqa: FBT001 - a column
    """The rules of keys hold for its complete segments."""
    for rule, accepted in ((FOLDED, folded), (EXACT, exact)):
        try:
            check_key_prefix(prefix, rule)
        except S3Error:
            assert not accepted, rule
        else:
            assert accepted, rule


@pytest.mark.parametrize(
    "name", ["prefix", "marker", "list-type=2&start-after", "versions&key-marker", "uploads&prefix"]
)
def test_parameters_that_name_keys_follow_the_rule(name: str) -> None:
    """A store could normalize a prefix too, and list other keys than the policy allows."""
    with pytest.raises(S3Error, match="InvalidURI"):
        parse("GET", f"/b01?{name}=pub/../secret/")
    with pytest.raises(S3Error, match="InvalidURI"):
        parse("GET", f"/b01?{name}=%2Fsecret/")
    parse("GET", f"/b01?{name}=%2Fsecret/", rule=EXACT)


def test_lone_surrogates_of_a_body_are_refused() -> None:
    """A key in a body can have them after decoding, a path cannot."""
    with pytest.raises(S3Error, match="InvalidURI"):
        check_object_key("\ud800" * 300, FOLDED)
    with pytest.raises(S3Error, match="InvalidURI"):
        check_key_prefix("\ud800", FOLDED)


@given(st.binary(min_size=1, max_size=60), st.sampled_from([FOLDED, EXACT]))
@example(b"%2e%2e/x", FOLDED)
@example(b"a%5C%2e", EXACT)
def test_the_forwarded_spelling_decodes_to_the_judged_key(raw: bytes, rule: KeyRule) -> None:
    """No spelling gets another key to the store, or a key that a folding store changes."""
    path = "/b01/" + quote_from_bytes(raw, safe="%/\\.")
    try:
        request = parse("GET", path, rule=rule)
    except S3Error:
        return
    assert unquote_to_bytes(request.canonical_path) == b"/b01" + (b"/" + request.key.encode() if request.key else b"")
    assert not {".", ".."} & set(request.key.replace("\\", "/").split("/"))
    assert "\0" not in request.key
    if rule is FOLDED and request.key:
        assert "//" not in "/" + request.key
        assert "\\" not in request.key


@given(st.text(min_size=1, max_size=40))
def test_every_spelling_of_a_key_is_the_same_request(key: str) -> None:
    """Encoding more or fewer bytes does not change the meaning."""
    try:
        raw = key.encode()
    except UnicodeEncodeError:
        return
    fully = "".join(f"%{byte:02x}" for byte in raw)
    usual = quote_from_bytes(raw, safe="/")
    assert _key_of(f"/b01/{fully}", EXACT) == _key_of(f"/b01/{usual}", EXACT)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40))
def test_encoding_a_path_can_be_undone(key: str) -> None:
    """Bucket and key come back, and the path has no raw special character."""
    path = encode_path("b01", key)
    assert decode_text(path) == (f"/b01/{key}" if key else "/b01")
    assert path.isascii()
    assert not set(path) & set(b' ?#\\\r\n"<>')


@pytest.mark.parametrize("raw", [b"%00", b"a%00b", b"a\x00", b"%", b"%2", b"%zz", b"%ff"])
def test_no_value_of_a_query_has_two_ends(raw: bytes) -> None:
    """Decoded text without NUL, broken escapes and invalid UTF-8: a store in C would end it early."""
    with pytest.raises(S3Error, match="InvalidURI"):
        decode_text(raw)
