"""The cache of parsed requests: small forms, found by all input of the parser, and without secrets."""

from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daypass.audit.event import HIDDEN
from daypass.audit.joined_lines import encode_parameters
from daypass.errors import Fault, InvalidIdentityToken
from daypass.operations.parsed_requests import ParsedRequest, ParsedRequestCache
from daypass.operations.registry import full_registry
from daypass.testing.tokens import SigningKey, compact
from daypass.wire.catalog import Catalog
from daypass.wire.decode import decode
from daypass.wire.http import HttpRequest
from daypass.wire.supported import PROTOCOL

_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_JSON = (b"accept", b"application/json")
_WHO = b"Action=GetCallerIdentity&Version=2011-06-15"
_ROLE = (
    b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=session"
    b"&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader"
)
_CATALOG, _REGISTRY = Catalog.load(), full_registry()
_KEY = SigningKey.generate("ES256", "one")
_TOKENS = tuple(
    compact({"alg": "ES256", "typ": "JWT"}, {"iss": "https://issuer.example", "sub": name}, _KEY)
    for name in ("alice", "bob")
)
_WEB = (
    "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=session"
    "&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Freader&WebIdentityToken="
)


def _request(body: bytes, *headers: tuple[bytes, bytes], **more: Any) -> HttpRequest:
    fields: dict[str, Any] = {"method": "POST", "path": b"/", "query": b"", "peer": "192.0.2.1", "secure": False}
    return HttpRequest(**{**fields, "headers": headers or (_FORM,), "body": body, **more})


def _keep(parsed_requests: ParsedRequestCache, request: HttpRequest) -> ParsedRequest:
    call = decode(request, _CATALOG)
    operation = _REGISTRY.find(call.service, call.action)
    parameters = call.model.parse(call.form_params)
    parsed = ParsedRequest(call, operation, parameters, operation.parse(parameters))
    for _ in range(2):  # only a form that comes again gets an entry
        parsed_requests.keep(request, parsed)
    return parsed


def test_the_same_form_is_read_once() -> None:
    """The sender and other headers do not affect the meaning of a form."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    kept = _keep(parsed_requests, _request(_ROLE))
    found = parsed_requests.find(_request(_ROLE, _FORM, (b"x-amz-date", b"20260101T000000Z"), peer="192.0.2.2"))
    assert found is not None
    assert (found.typed_params(), found.parameters) == (kept.params, kept.parameters)


def test_a_form_that_comes_once_has_no_entry() -> None:
    """It takes no room from those that come again, and no time."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    request = _request(_ROLE)
    call = decode(request, _CATALOG)
    operation, parameters = _REGISTRY.find(call.service, call.action), call.model.parse(call.form_params)
    parsed = ParsedRequest(call, operation, parameters, operation.parse(parameters))
    assert parsed_requests.keep(request, parsed) is None
    assert parsed_requests.find(request) is None
    other = _request(_ROLE.replace(b"=session", b"=another"))  # the same form
    assert parsed_requests.keep(other, parsed) is None
    assert parsed_requests.keep(request, parsed) is not None
    assert parsed_requests.find(request) is not None


@pytest.mark.parametrize("name", ["ab", "x" * 64, "i-0123456789abcdef0", "a.b_c-D"])
def test_a_form_with_another_session_name_is_read_once(name: str) -> None:
    """SDKs give each session another name; the parameters keep their order for the audit log."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(_ROLE))
    other = _request(_ROLE.replace(b"=session", b"=" + name.encode()))
    fresh, found = _keep(ParsedRequestCache(HIDDEN, encode_parameters), other), parsed_requests.find(other)
    assert found is not None
    assert found.typed_params() == fresh.params
    assert list(found.parameters.items()) == list(fresh.parameters.items())


@pytest.mark.parametrize("name", ["", "a", "x" * 65, "a%40b", "a+b", "a=b", "a\xe9", "a&RoleSessionName=bc"])
def test_a_session_name_that_is_not_plain_is_read_anew(name: str) -> None:
    """It may be invalid, or mean another name than its bytes."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(_ROLE))
    assert parsed_requests.find(_request(_ROLE.replace(b"=session", b"=" + name.encode("latin-1")))) is None


@pytest.mark.parametrize(
    "other",
    [
        _request(_ROLE + b"s"),
        _request(_ROLE.replace(b"RoleSessionName", b"roleSessionName")),
        _request(_ROLE.replace(b"&RoleSessionName=session", b"") + b"&RoleSessionName=session"),
        _request(_ROLE, _FORM, _JSON),
        _request(_ROLE, (b"content-type", b"text/plain"), _FORM),
        _request(_ROLE, query=b"Action=GetCallerIdentity"),
        _request(_ROLE, method="GET"),
        _request(_ROLE, truncated=True),
    ],
)
def test_what_might_mean_something_else_is_read_anew(other: HttpRequest) -> None:
    """The key of an entry contains all input of the parser: method, query, body, Content-Type and Accept."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(_ROLE))
    assert parsed_requests.find(other) is None


@pytest.mark.parametrize(
    "body",
    [
        _ROLE + b"&SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Fphone&TokenCode=123456",
        _ROLE + b"&Policy=%7B%22Version%22%3A%222012-10-17%22%2C"
        b"%22Statement%22%3A%7B%22Effect%22%3A%22Deny%22%2C%22Action%22%3A%22*%22%2C%22Resource%22%3A%22*%22%7D%7D",
        _ROLE + b"&ignored=" + b"x" * 8192,
        (_WEB + _TOKENS[0]).encode() + b"&ignored=" + b"x" * 1024,
        (_WEB + _TOKENS[0]).encode() + b"&WebIdentityToken=" + _TOKENS[1].encode(),
        (_WEB + _TOKENS[0]).encode() + b"&WebIdentity%54oken=" + _TOKENS[1].encode(),
        _WHO + b"&X-Amz-Security-Token=token",
        _WHO + b"&SecurityToken=token",
        _ROLE + b"&x-amz-signature=0123456789abcdef",
        b"Action=CreateUser&UserName=a&Version=2010-05-08",
        b"Action=GetAccountSummary&Version=2010-05-08",
        b"Action=ListUsers&Version=2010-05-08&PathPrefix=/" + b"a" * 480 + b"/",
    ],
)
def test_secrets_long_forms_and_what_needs_the_store_are_not_kept(body: bytes) -> None:
    """Proofs, and parameters that may contain secrets, do not stay in memory longer than their request."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(body))
    assert parsed_requests.find(_request(body)) is None


def _tagged(value: str, session_name: str = "session") -> bytes:
    tags = "".join([f"&Tags.member.{n}.Key=k{n}&Tags.member.{n}.Value={value}" for n in range(1, 51)])
    return _ROLE.replace(b"=session", b"=" + session_name.encode()) + tags.encode()


def test_forms_with_many_tags_are_read_once() -> None:
    """They are found for another session name or other values of tags."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    kept = _keep(parsed_requests, _request(_tagged("v", "third")))
    found = parsed_requests.find(_request(_tagged("v", "other")))
    assert found is not None
    assert found.typed_params().tags == kept.params.tags
    assert found.parameters == {**kept.parameters, "RoleSessionName": "other"}
    other = _request(_tagged("w").replace(b"=w&Tags.member.8.", b"=seventh&Tags.member.8."))
    fresh, found = _keep(ParsedRequestCache(HIDDEN, encode_parameters), other), parsed_requests.find(other)
    assert found is not None
    assert (found.typed_params(), found.parameters) == (fresh.params, fresh.parameters)
    assert found.encoded_parameters == encode_parameters(fresh.parameters)
    assert parsed_requests.find(_request(_tagged("w+x"))) is None
    assert parsed_requests.find(_request(_tagged("w").replace(b".Key=k7&", b".Key=k77&"))) is None


_NAME = b"&RoleSessionName="
_TAGS_FIRST = _tagged("a-long-value").replace(_NAME + b"session", b"")


_TRANSITIVE = "".join([f"&TransitiveTagKeys.member.{n}=k{n}" for n in range(1, 51)]).encode()


@pytest.mark.parametrize("rest", [b"", b"&ExternalId=external", b"&DurationSeconds=900" + _TRANSITIVE])
def test_a_session_name_after_the_tags_is_cut_out_too(rest: bytes) -> None:
    """SDKs send parameters in the order of the caller's arguments."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    for name in (b"first", b"second"):
        _keep(parsed_requests, _request(_TAGS_FIRST + _NAME + name + rest))
    other = _request(_TAGS_FIRST + _NAME + b"third" + rest)
    fresh, found = _keep(ParsedRequestCache(HIDDEN, encode_parameters), other), parsed_requests.find(other)
    assert found is not None
    assert found.typed_params() == fresh.params
    assert list(found.parameters.items()) == list(fresh.parameters.items())
    assert found.encoded_parameters == encode_parameters(fresh.parameters)


@pytest.mark.parametrize(
    "end",
    [
        b"&RoleSessio%6EName=another&RoleSessionName=third",
        b"&RoleSessionName=th%69rd",
        b"&RoleSessionName=third&RoleSessionName=another",
        b"&RoleSessionName=",
        b"&RoleSessionName=" + b"x" * 65,
        b"&ExternalId=a&RoleSessionName=third",
        b"&RoleSessionName=third&Signature=third",
    ],
)
def test_another_end_of_a_long_form_is_read_anew(end: bytes) -> None:
    """Only a plain name that is the operation's own is cut out, wherever it is."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    for name in (b"first", b"second"):
        _keep(parsed_requests, _request(_TAGS_FIRST + _NAME + name))
    assert parsed_requests.find(_request(_TAGS_FIRST + end)) is None


@pytest.mark.parametrize("name", sorted({*PROTOCOL, "X-Amz-Date", "x-amz-signature", "X-AMZ-Security-Token"}))
@pytest.mark.parametrize("start", [_ROLE, _TAGS_FIRST + _NAME + b"session"])
def test_a_form_with_a_parameter_of_a_signature_is_not_kept(start: bytes, name: str) -> None:
    """Short or long, whichever parameter it is."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    is_of_call = f"{name}=" in start.decode()
    body = start if is_of_call else start + f"&{name}=x".encode()
    for _ in range(3):
        _keep(parsed_requests, _request(body))
    assert (parsed_requests.find(_request(body)) is not None) == is_of_call


def test_short_reads_replace_only_each_other() -> None:
    """The names of users and roles differ, and there are many of them."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(_WHO))
    bodies = [b"Action=GetUser&Version=2010-05-08&UserName=u%d" % number for number in range(257)]
    for body in bodies:
        kept = _keep(parsed_requests, _request(body))
    found = parsed_requests.find(_request(bodies[-1]))
    assert found is not None
    assert (found.typed_params(), found.parameters) == (kept.params, kept.parameters)
    assert parsed_requests.find(_request(bodies[0])) is None
    assert parsed_requests.find(_request(_WHO)) is not None


def test_long_forms_replace_only_long_forms() -> None:
    """They are few, and the short forms of other clients stay."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(_ROLE))
    for number in range(65):
        for _ in range(2):
            _keep(parsed_requests, _request(_tagged("v") + b"&ExternalId=id%d" % number))
    assert parsed_requests.find(_request(_tagged("v") + b"&ExternalId=id0")) is None
    assert parsed_requests.find(_request(_tagged("v") + b"&ExternalId=id64")) is not None
    assert parsed_requests.find(_request(_ROLE)) is not None


def test_forms_of_clients_without_a_signature_replace_only_each_other() -> None:
    """Anyone can send them."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(_ROLE))
    for number in range(1025):
        _keep(parsed_requests, _request((_WEB + _TOKENS[0]).encode() + b"&DurationSeconds=%d" % (900 + number)))
    assert parsed_requests.find(_request(_ROLE)) is not None


def test_the_headers_of_a_plain_call_count_like_all_others() -> None:
    """An entry is found by Content-Type and Accept, whichever way the headers were read."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request(_WHO, _FORM, _JSON))
    assert parsed_requests.find(_request(_WHO, _FORM, _JSON, by_name=dict((_FORM, _JSON)))) is not None
    assert parsed_requests.find(_request(_WHO, _FORM, by_name=dict((_FORM,)))) is None


def test_the_oldest_leave_first() -> None:
    """Clients cannot fill the memory with forms."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    bodies = [_WHO + b"&n=%d" % number for number in range(1025)]
    for body in bodies:
        _keep(parsed_requests, _request(body))
    assert parsed_requests.find(_request(bodies[0])) is None
    assert parsed_requests.find(_request(bodies[-1])) is not None


def test_a_token_is_read_each_time_and_never_kept() -> None:
    """The form around a token is cached, the token is not: another token in its place is used."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request((_WEB + _TOKENS[0]).encode()))
    assert _TOKENS[0].split(".")[1] not in repr(vars(parsed_requests))
    assert "alice" not in repr(vars(parsed_requests))
    found = parsed_requests.find(_request((_WEB + _TOKENS[1]).encode()))
    assert found is not None
    assert found.parameters["WebIdentityToken"] == _TOKENS[1]
    assert found.typed_params().unverified_token.unverified_claims["sub"] == "bob"


def test_what_is_no_token_is_refused_in_a_remembered_form_too() -> None:
    """A form that was parsed before does not make its present token valid."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request((_WEB + _TOKENS[0]).encode()))
    found = parsed_requests.find(_request((_WEB + "none.of.these").encode()))
    assert found is not None
    with pytest.raises(InvalidIdentityToken):
        found.typed_params()


@pytest.mark.parametrize("value", ["", "abc", "%41%41%41%41", "a b c d"])
def test_a_form_without_a_token_is_none_that_was_remembered(value: str) -> None:
    """A cached entry lacks its token, and does not match a form without a token."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    _keep(parsed_requests, _request((_WEB + _TOKENS[0]).encode()))
    assert parsed_requests.find(_request((_WEB + value).encode())) is None


_VALUES = st.sampled_from(["", "abcd", *_TOKENS, "%41" + _TOKENS[0][1:], _TOKENS[0] + "%0A", "x" * 1100])
_NAMES = st.sampled_from(["session", "i-0a1b", "x" * 64, "x" * 65, "a", "%61bc", "a%26b", "a+b"])
_PAIRS = st.lists(
    st.builds(
        "{}={}".format,
        st.sampled_from(
            [
                "WebIdentityToken",
                "%57ebIdentityToken",
                "WebIdentityToken%00",
                "RoleSessionName",
                "RoleSessio%6EName",
                "Policy",
                "other",
            ]
        ),
        _VALUES | _NAMES,
    ),
    max_size=3,
)
_HEADS = st.sampled_from(
    [
        _WEB.removesuffix("&WebIdentityToken="),
        _WEB.removesuffix("&WebIdentityToken=").replace("&RoleSessionName=session", ""),
        _ROLE.decode(),
        _ROLE.decode().replace("&RoleSessionName=session", ""),
    ]
)
_FORMS = st.tuples(_PAIRS, _HEADS, _PAIRS).map(
    lambda request_info: "&".join([*request_info[0], request_info[1], *request_info[2]]).encode()
)


@given(first=_FORMS, second=_FORMS, token=st.sampled_from(_TOKENS), name=_NAMES)
def test_a_remembered_form_means_what_reading_it_would(first: bytes, second: bytes, token: str, name: str) -> None:
    """For any spelling and repetition of names, the cached result equals the parsed one."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    renamed = first.replace(b"Name=session", b"Name=" + name.encode()).replace(b"Name=abcd", b"Name=" + name.encode())
    for body in (first, second, first.replace(_TOKENS[0].encode(), token.encode()), renamed):
        request = _request(body)
        found = parsed_requests.find(request)
        try:
            fresh = _keep(ParsedRequestCache(HIDDEN, encode_parameters), request)
        except Fault:
            if found is not None:
                with pytest.raises(Fault):
                    found.typed_params()
            continue
        if found is not None:
            assert found.typed_params() == fresh.params
            assert found.parameters == fresh.parameters
        _keep(parsed_requests, request)


_TAG_PAIRS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *[f"Tags.member.{n}.{part}" for n in (1, 2, 3, 10) for part in ("Key", "Value")],
                "Tags.member.%31.Value",
                "Tags.member.01.Value",
                "Tags.member..Value",
                "Other.Value",
                "TransitiveTagKeys.member.1",
                "RoleSessionName",
            ]
        ),
        st.sampled_from(
            [
                "a",
                "b",
                "c",
                "",
                "\0",
                "a-long_value.9",
                "a%20b",
                "a+b",
                "x" * 64,
                "x" * 65,
                "(tag-value)",
                "~",
                "\u00e9",
            ]
        ),
    ),
    max_size=8,
)
_TAG_FORMS = st.tuples(
    st.booleans(),
    st.one_of(
        _TAG_PAIRS,
        st.permutations(
            [(f"Tags.member.{n}.Key", f"k{n}") for n in (1, 2)] + [(f"Tags.member.{n}.Value", "v") for n in (1, 2)]
        ),
    ),
)
_TAG_VALUES = st.lists(
    st.sampled_from(["a", "b", "", "\0", "c.d", "x" * 65, "a%20b", "(tag-value)"]), min_size=1, max_size=4
)


def _tag_form(name_first: bool, pairs: "list[tuple[str, str]]") -> bytes:  # noqa: FBT001 - unpacked
    name, head = "&RoleSessionName=session", _ROLE.decode().replace("&RoleSessionName=session", "")
    tags = "".join([f"&{one}={other}" for one, other in pairs])
    return (head + (name + tags if name_first else tags + name)).encode()


@given(form=_TAG_FORMS, other=_TAG_FORMS, values=_TAG_VALUES)
def test_a_remembered_form_with_tags_means_what_reading_it_would(
    form: "tuple[bool, list[tuple[str, str]]]", other: "tuple[bool, list[tuple[str, str]]]", values: list[str]
) -> None:
    """For any order, spelling and repetition of names, and any values, plain or not."""
    parsed_requests = ParsedRequestCache(HIDDEN, encode_parameters)
    numbers = cycle(values)
    changed = [(name, next(numbers) if name.endswith(".Value") else value) for name, value in form[1]]
    for body in (_tag_form(*form), _tag_form(*other), _tag_form(form[0], changed)):
        request = _request(body)
        found = parsed_requests.find(request)
        try:
            fresh = _keep(ParsedRequestCache(HIDDEN, encode_parameters), request)
        except Fault:
            assert found is None
            continue
        _keep(parsed_requests, request)
        for known in filter(None, (found, parsed_requests.find(request))):
            assert known.typed_params() == fresh.params
            assert list(known.typed_params().tags.tags) == list(fresh.params.tags.tags)
            assert list(known.parameters.items()) == list(fresh.parameters.items())
            assert known.encoded_parameters in {None, encode_parameters(fresh.parameters)}
