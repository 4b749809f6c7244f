"""The strict head: every ambiguous head is refused, and a valid one has exactly one meaning."""

from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verify.malformed_heads import malformed_heads

from daypass.verify import HeadError, VerifyReason
from daypass.verify import head as head_module
from daypass.verify.head import LONGEST_HEAD, MOST_HEADER_LINES, RequestHead, build_head, parse_head

_CORPUS = dict(malformed_heads())
_VALID = b"GET /b/k?x=1 HTTP/1.1\r\nHost: s3.example:8080"


def test_the_corpus_is_large() -> None:
    """At least a hundred malformed heads, and all differ."""
    assert len(set(_CORPUS.values())) == len(list(malformed_heads())) >= 100


@pytest.mark.parametrize("name", _CORPUS)
def test_a_malformed_head_is_refused(name: str) -> None:
    """Each head of the corpus is refused."""
    with pytest.raises(HeadError):
        parse_head(_CORPUS[name])


def test_a_head_has_its_parts() -> None:
    """Names are lower case, values are trimmed, and the target stays as sent."""
    head = parse_head(b"PUT /a%2fb/?x=%41&y HTTP/1.1\r\nHost: [::1]:80\r\nX-Tag: \t a  b \r\nContent-Length: 10")
    assert (head.method, head.target) == ("PUT", b"/a%2fb/?x=%41&y")
    assert (head.path, head.query) == (b"/a%2fb/", b"x=%41&y")
    assert head.headers == {b"host": b"[::1]:80", b"x-tag": b"a  b", b"content-length": b"10"}
    assert (head.content_length, head.chunked) == (10, False)


def test_a_chunked_body_has_no_length() -> None:
    """The exact coding `chunked` is the only one."""
    head = parse_head(_VALID + b"\r\nTransfer-Encoding: chunked\r\nExpect: 100-Continue")
    assert (head.content_length, head.chunked) == (None, True)


def test_lists_and_metadata_may_be_repeated() -> None:
    """A repeated list is joined by commas in its order, as S3 joins metadata; cookies are joined by semicolons."""
    lines = (b"Accept: a", b"x-amz-meta-k: 1", b"Cookie: a=1", b"accept: b", b"X-Amz-Meta-K: 2", b"cookie: b=2")
    headers = parse_head(b"\r\n".join((_VALID, *lines))).headers
    assert (headers[b"accept"], headers[b"x-amz-meta-k"], headers[b"cookie"]) == (b"a,b", b"1,2", b"a=1; b=2")


def test_only_metadata_may_have_an_underscore() -> None:
    """Clients write names such as x-amz-meta-user_id; the prefix itself must be exact."""
    assert b"x-amz-meta-user_id" in parse_head(_VALID + b"\r\nX-Amz-Meta-User_Id: 1").headers


def test_the_bounds_are_exact() -> None:
    """A head of 64 KiB and 255 headers is accepted; one byte or one header more is too large."""
    fill = LONGEST_HEAD - len(_VALID) - len(b"\r\nX-A: ")
    parse_head(_VALID + b"\r\nX-A: " + b"a" * fill)
    lines = [b"X-A%d: b" % at for at in range(MOST_HEADER_LINES - 1)]
    parse_head(b"\r\n".join([_VALID, *lines[:-1]]))
    for larger in (_VALID + b"\r\nX-A: " + b"a" * (fill + 1), b"\r\n".join([_VALID, *lines])):
        with pytest.raises(HeadError) as refused:
            parse_head(larger)
        assert refused.value.reason is VerifyReason.HEAD_TOO_LARGE


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"GET / HTTP/1.0\r\nHost: a", VerifyReason.HTTP_VERSION),
        (b"GET /% HTTP/1.1\r\nHost: a", VerifyReason.TARGET),
        (_VALID + b"\r\nExpect: x", VerifyReason.EXPECTATION),
        (_VALID + b"\r\nA", VerifyReason.HEAD),
    ],
)
def test_a_refusal_has_its_reason(block: bytes, reason: VerifyReason) -> None:
    """A service answers 505, 417 or 400."""
    with pytest.raises(HeadError) as refused:
        parse_head(block)
    assert refused.value.reason is reason


@given(st.binary(max_size=200))
def test_any_bytes_give_a_head_or_a_refusal(block: bytes) -> None:
    """The parser raises HeadError and no other error."""
    for candidate in (block, _VALID + b"\r\n" + block, b"GET /" + block + b" HTTP/1.1\r\nHost: a"):
        try:
            head = parse_head(candidate)
        except HeadError:
            continue
        assert b"\n" not in head.target + b"".join(head.headers) + b"".join(head.headers.values())


@given(st.lists(st.tuples(st.sampled_from([b"Accept", b"X-A", b"x-b", b"X-Amz-Meta-q"]), st.binary(max_size=9))))
def test_both_parsers_agree(headers: list[tuple[bytes, bytes]]) -> None:
    """A head that another server has parsed follows the same rules."""
    block = b"\r\n".join([_VALID, *(name + b": " + value for name, value in headers)])
    by_bytes, by_parts = _parse(block), _build([(b"Host", b"s3.example:8080"), *headers])
    if b"\r\n" not in b"".join(value for _, value in headers):
        # The other server's names were not spelled in one way, so they have no outline.
        assert (by_bytes and msgspec.structs.replace(by_bytes, outline=None)) == by_parts


def _parse(block: bytes) -> RequestHead | None:
    try:
        return parse_head(block)
    except HeadError:
        return None


def _build(headers: list[tuple[bytes, bytes]]) -> RequestHead | None:
    try:
        return build_head("GET", b"/b/k?x=1", headers)
    except HeadError:
        return None


def test_every_mixture_of_line_ends_is_split_at_cr_lf_alone() -> None:
    """The fast split agrees with the plain one: a head is accepted only if each line ends with CR LF."""
    for count in range(1, 6):
        for parts in product((b"X-A: b", b"X-B: c", b"\r", b"\n", b"\r\n"), repeat=count):
            block = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(parts)
            lines = block.split(b"\r\n")[1:]
            names = {line.partition(b":")[0] for line in lines}
            is_plain = not any(b"\r" in line or b"\n" in line for line in lines)
            is_valid = is_plain and b"" not in names and len(names) == len(lines)
            try:
                parse_head(block)
            except HeadError:
                assert not is_valid, block
            else:
                assert is_valid, block


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [b"X-A: 1", b"x-a:2", b"X-B:\t a\t b \t", b"X-C:", b"X-D", b":x", b" X-A: 1", b"X-E\t: 1", b"Range: a:b"]
        ),
        max_size=5,
    )
)
def test_known_names_do_not_change_the_meaning(lines: list[bytes]) -> None:
    """A head is read in the same way, or refused, whether its names were seen before or are new."""
    block = b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *lines])

    def read() -> object:
        try:
            return parse_head(block).headers
        except HeadError as error:
            return str(error), error.reason

    head_module._outlines.pop((b"Host", *[line.partition(b":")[0] for line in lines]), None)
    new, known = read(), read()
    assert new == known
    if isinstance(known, dict):
        assert known == head_module._headers([b"Host: a", *lines])


def test_long_lists_of_names_do_not_have_an_outline() -> None:
    """Each memory that is keyed by an outline keeps its names, of which a client may send 64 KiB."""
    for names in ([f"x-{'a' * 240}-{number}" for number in range(5)], [f"x-{number}" for number in range(48)]):
        head = parse_head(b"\r\n".join([_VALID, *(f"{name}: 1".encode() for name in names)]))
        assert head.outline is None
        assert all(head.headers[name.encode()] == b"1" for name in names)
    few = parse_head(b"\r\n".join([_VALID, *(b"x-%d: 1" % number for number in range(47))]))
    assert few.outline is not None


def test_heads_with_the_same_names_share_an_outline() -> None:
    """Names in another order or spelling are another outline, and a head with a repeated name has none."""
    first = parse_head(_VALID + b"\r\nX-A: 1\r\nRange: 2").outline
    assert first is not None
    assert first.names == (b"host", b"x-a", b"range")
    assert parse_head(_VALID + b"\r\nX-A: 3\r\nRange:4").outline is first
    assert parse_head(_VALID + b"\r\nRange: 2\r\nX-A: 1").outline is not first
    assert parse_head(_VALID + b"\r\nx-a: 1\r\nRange: 2").outline is not first
    assert parse_head(_VALID + b"\r\nAccept: 1\r\nAccept: 2").outline is None


@pytest.mark.parametrize("line", [b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: 100-continue"])
def test_an_outline_with_a_body_is_not_bare(line: bytes) -> None:
    """Neither is one with an expectation, whatever the values are."""
    bare, other = parse_head(_VALID).outline, parse_head(_VALID + b"\r\n" + line).outline
    assert bare is not None
    assert other is not None
    assert bare.is_bare
    assert not other.is_bare
