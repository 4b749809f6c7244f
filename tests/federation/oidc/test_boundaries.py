"""Every limit of a token: at the limit, one unit before it and one after it.

RFC 7519: a token is refused on or after exp (4.1.4), and before nbf (4.1.5). AWS adds five minutes to each.
"""

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.federation.oidc.setting import AUDIENCE, EPOCH, NOW, claims, header, judge, jwks, key, token, trusting

from daypass.base64url import parse_base64url
from daypass.errors import Fault
from daypass.federation.oidc.extra_claims import ExtraClaim, UnusableClaimError
from daypass.federation.oidc.issuers.operator_terms import parse_claims
from daypass.federation.oidc.keys import UnreadableKeySetError, _der, parse_jwks
from daypass.federation.oidc.provider import is_keys_url
from daypass.federation.oidc.token import read_token
from daypass.testing.tokens import compact, encode, encode_number

TAKEN, EXPIRED, INVALID = "", "ExpiredTokenException", "InvalidIdentityToken"
LAST = 253_402_300_799
MOMENT = timedelta(microseconds=1)

TIMES = [
    ({"exp": EPOCH - 298}, TAKEN),
    ({"exp": EPOCH - 299}, TAKEN),
    ({"exp": EPOCH - 300}, EXPIRED),
    ({"exp": EPOCH - 301}, EXPIRED),
    ({"exp": LAST}, TAKEN),
    ({"exp": LAST + 1}, INVALID),
    ({"exp": 0}, EXPIRED),
    ({"exp": -1}, INVALID),
    ({"nbf": EPOCH + 299}, TAKEN),
    ({"nbf": EPOCH + 300}, TAKEN),
    ({"nbf": EPOCH + 301}, INVALID),
    ({"nbf": 0}, TAKEN),
    ({"nbf": -1}, INVALID),
    ({"nbf": LAST + 1}, INVALID),
    ({"iat": EPOCH + 299}, TAKEN),
    ({"iat": EPOCH + 300}, TAKEN),
    ({"iat": EPOCH + 301}, INVALID),
    ({"iat": 0}, TAKEN),
    ({"iat": -1}, INVALID),
]


def outcome(text: str, **how: Any) -> str:
    """Return the code with which a token is refused, or TAKEN."""
    try:
        judge(text, **how)
    except Fault as refusal:
        return refusal.code
    return TAKEN


@pytest.mark.parametrize(("changes", "code"), TIMES)
def test_a_time_at_its_limit(changes: dict[str, int], code: str) -> None:
    """One outcome for each time, on a clock that stands at a whole second."""
    assert outcome(token(claims(**changes))) == code


@pytest.mark.parametrize(
    ("changes", "after", "code"),
    [
        ({"exp": EPOCH}, timedelta(seconds=300) - MOMENT, TAKEN),
        ({"exp": EPOCH}, timedelta(seconds=300), EXPIRED),
        ({"nbf": EPOCH, "iat": EPOCH - 600}, timedelta(seconds=-300) - MOMENT, INVALID),
        ({"nbf": EPOCH, "iat": EPOCH - 600}, timedelta(seconds=-300), TAKEN),
        ({"iat": EPOCH}, timedelta(seconds=-300) - MOMENT, INVALID),
        ({"iat": EPOCH}, timedelta(seconds=-300), TAKEN),
    ],
)
def test_a_time_at_its_limit_to_the_microsecond(changes: dict[str, int], after: timedelta, code: str) -> None:
    """A clock between two seconds counts as the earlier second."""
    assert outcome(token(claims(**changes)), now=NOW + after) == code


SIZES = [
    ({"sub": "s"}, TAKEN),
    ({"sub": "s" * 255}, TAKEN),
    ({"sub": "s" * 256}, INVALID),
    ({"sub": ""}, INVALID),
    ({"sub": "a\x1fb"}, INVALID),
    ({"sub": "a\x7fb"}, INVALID),
    ({"sub": "a b~"}, TAKEN),
]


@pytest.mark.parametrize(("changes", "code"), SIZES)
def test_a_subject_at_its_limit(changes: dict[str, str], code: str) -> None:
    """One to 255 characters without control characters."""
    assert outcome(token(claims(**changes))) == code


@pytest.mark.parametrize(("length", "code"), [(1, TAKEN), (1_024, TAKEN), (1_025, INVALID)])
@pytest.mark.parametrize("place", ["aud", "azp", "list"])
def test_an_audience_at_its_limit(place: str, length: int, code: str) -> None:
    """One to 1,024 characters in either claim; a longer one is refused, registered or not."""
    client_id = "c" * length
    places: dict[str, dict[str, Any]] = {
        "aud": {"aud": client_id},
        "azp": {"aud": AUDIENCE, "azp": client_id},
        "list": {"aud": [client_id]},
    }
    said = places[place]
    assert outcome(token(claims(**said)), provider=trusting(client_id)) == code


@pytest.mark.parametrize(("length", "code"), [(0, INVALID), (1, TAKEN), (512, TAKEN), (513, INVALID)])
def test_a_key_id_at_its_limit(length: int, code: str) -> None:
    """One to 512 characters.

    If the published key has no id, a token with any id refers to it.
    """
    published = {name: value for name, value in key("RS256").jwk().items() if name != "kid"}
    text = compact(header(kid="k" * length), claims(), key("RS256"))
    assert outcome(text, keys=jwks(published)) == code


@pytest.mark.parametrize(("over", "taken"), [(0, True), (1, False)])
def test_a_token_at_its_longest(over: int, *, taken: bool) -> None:
    """The limit is 20,000 characters, checked before anything else."""
    whole = token()
    short = 20_000 + over - len(whole)
    # base64 writes three bytes as four characters: find the padding claim that makes the token exactly this long.
    texts = (token(x="y" * length) for length in range(short * 3 // 4 - 20, short * 3 // 4))
    text = next(text for text in texts if len(text) == 20_000 + over)
    if taken:
        assert outcome(text) == TAKEN
        return
    with pytest.raises(Fault) as refused:
        read_token(text)
    assert refused.value.code == "ValidationError"
    assert refused.value.message == (
        "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: "
        "Member must have length less than or equal to 20000"
    )


@pytest.mark.parametrize("issuer", [None, 1, True, [], {}, ""])
def test_a_token_without_the_name_of_an_issuer_is_not_read(issuer: object) -> None:
    """The provider is found by this value, so it must be a string."""
    payload = {**claims(), "iss": issuer}
    with pytest.raises(Fault) as refused:
        read_token(token(payload))
    assert refused.value.code == INVALID


@pytest.mark.parametrize("other", ["http", "https://a.example", "https://issuer.examplf", "https://z.example", "zz"])
def test_another_issuer_is_another_issuer_whatever_its_place_in_the_alphabet(other: str) -> None:
    """Names are compared, not ordered."""
    assert outcome(token(iss=other)) == INVALID


@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
@pytest.mark.parametrize("value", [True, False, 1.5, float(EPOCH), str(EPOCH), [], {}, -1, LAST + 1])
def test_each_time_is_whole_seconds(name: str, value: object) -> None:
    """This holds also if another time is valid or absent."""
    assert outcome(token({**claims(), name: value})) == INVALID


@pytest.mark.parametrize(
    ("digits", "code"),
    [("9" * 18, INVALID), ("9" * 19, INVALID), ("9" * 20, INVALID), (str(LAST), TAKEN)],
)
def test_a_number_of_many_digits(digits: str, code: str) -> None:
    """Numbers have at most nineteen digits, and the year 9999 is the last."""
    written = json.dumps(claims(exp=None))[:-1] + f',"exp":{digits}}}'
    assert outcome(token(written.encode())) == code


@pytest.mark.parametrize(("depth", "code"), [(15, TAKEN), (16, INVALID), (17, INVALID)])
def test_claims_at_their_deepest(depth: int, code: str) -> None:
    """Sixteen levels, with the object of all claims."""
    assert outcome(token(x=nested(depth))) == code


def nested(depth: int) -> object:
    """Return lists within lists."""
    found: object = 1
    for _ in range(depth):
        found = [found]
    return found


TAGS = "https://aws.amazon.com/tags"
TAGGED = [
    ({f"k{number}": ["v"] for number in range(50)}, TAKEN),
    ({f"k{number}": ["v"] for number in range(51)}, INVALID),
    ({"k": ["v"]}, TAKEN),
    ({"": ["v"]}, INVALID),
    ({"k" * 128: ["v"]}, TAKEN),
    ({"k" * 129: ["v"]}, INVALID),
    ({"k": [""]}, TAKEN),
    ({"k": ["v" * 256]}, TAKEN),
    ({"k": ["v" * 257]}, INVALID),
    ({"k": []}, INVALID),
    ({"k": ["v", "w"]}, INVALID),
]


@pytest.mark.parametrize(("tags", "code"), TAGGED)
def test_tags_at_their_limits(tags: dict[str, list[str]], code: str) -> None:
    """Fifty tags of 128 and 256 characters."""
    assert outcome(token(claims(**{TAGS: {"principal_tags": tags}}))) == code


@pytest.mark.parametrize(
    ("name", "code"), [("a", INVALID), ("ab", TAKEN), ("a" * 256, TAKEN), ("a" * 257, INVALID), ("a b", INVALID)]
)
def test_a_source_identity_at_its_limits(name: str, code: str) -> None:
    """Two to 256 of letters, digits and _+=,.@-."""
    assert outcome(token(**{"https://aws.amazon.com/source_identity": name})) == code


# The issuer's keys --------------------------------------------------------------------------------------------

LEAST = encode_number((1 << 2047) | 1)
MODULI = [
    ({"n": encode_number((1 << 2047) - 1)}, False),
    ({"n": LEAST}, True),
    ({"n": encode_number((1 << 8191) | 1)}, True),
    ({"n": encode_number((1 << 8192) | 1)}, False),
    ({"n": encode_number(1 << 2047)}, False),
    ({"n": encode_number((1 << 2047) | 2)}, False),
    ({"e": encode_number(1)}, False),
    ({"e": encode_number(2)}, False),
    ({"e": encode_number(3)}, True),
    ({"e": encode_number(4)}, False),
    ({"e": encode_number((1 << 31) | 1)}, True),
    ({"e": encode_number((1 << 32) - 1)}, True),
    ({"e": encode_number((1 << 32) | 1)}, False),
    ({"kid": ""}, False),
    ({"kid": "k"}, True),
    ({"kid": "k" * 512}, True),
    ({"kid": "k" * 513}, False),
    ({"n": ""}, False),
    ({"n": None}, False),
]


@pytest.mark.parametrize(("changes", "usable"), MODULI)
def test_an_rsa_key_at_its_limits(changes: dict[str, Any], *, usable: bool) -> None:
    """An odd modulus of 2,048 to 8,192 bits, an odd exponent of 3 to 32 bits, a name of 1 to 512 characters."""
    published = {**key("RS256").jwk(), **changes}
    if usable:
        assert len(parse_jwks(jwks(published)).keys) == 1
        return
    with pytest.raises(UnreadableKeySetError):
        parse_jwks(jwks(published))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
@pytest.mark.parametrize("member", ["x", "y"])
def test_a_point_beyond_its_curve_is_no_key(alg: str, member: str) -> None:
    """A coordinate has no more bits than the curve."""
    published = key(alg).jwk()
    bits = {"ES256": 256, "ES384": 384, "ES512": 521}[alg]
    with pytest.raises(UnreadableKeySetError, match="point is larger than the curve"):
        parse_jwks(jwks({**published, member: encode_number(1 << bits)}))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
@pytest.mark.parametrize(("cut", "more"), [(1, b""), (2, b""), (0, b"\0"), (0, b"\0\0"), (0, b"\1")])
def test_a_signature_is_as_long_as_its_curve_says(alg: str, cut: int, more: bytes) -> None:
    """RFC 7518 section 3.4: r and s, 64, 96 or 132 bytes together.

    Any other length is invalid.
    """
    whole = token(alg=alg)
    assert outcome(whole) == TAKEN
    head, _, signature = whole.rpartition(".")
    octets = parse_base64url(signature)
    assert len(octets) == {"ES256": 64, "ES384": 96, "ES512": 132}[alg]
    assert outcome(f"{head}.{encode(octets[: len(octets) - cut] + more)}") == INVALID
    assert outcome(f"{head}.{encode(more + octets[cut:])}") == INVALID


@pytest.mark.parametrize(
    "raw", [bytes(32) + b"\1" * 32, b"\1" * 32 + bytes(32), bytes(64), b"\1" * 63, b"\1" * 65, b""]
)
def test_a_signature_with_a_zero_or_of_another_length_is_refused_before_it_is_checked(raw: bytes) -> None:
    """CVE-2022-21449: r and s must not be zero. The check does not rely on the library for this."""
    with pytest.raises(ValueError, match=r"signature is not r and s|r or s is zero"):
        _der(raw, 32)


@pytest.mark.parametrize(("length", "taken"), [(2_047, True), (2_048, True), (2_049, False)])
def test_the_address_of_keys_at_its_longest(length: int, *, taken: bool) -> None:
    """The limit is 2,048 characters."""
    assert is_keys_url("https://idp.example/" + "k" * (length - 20)) is taken


@pytest.mark.parametrize(("number", "taken"), [(99, True), (100, True), (101, False)])
def test_a_set_of_keys_at_its_largest(number: int, *, taken: bool) -> None:
    """A hundred entries, usable or not."""
    entries = [{"kty": "x"}] * (number - 1) + [key("ES256").jwk()]
    if taken:
        assert len(parse_jwks(jwks(*entries)).skipped) == number - 1
        return
    with pytest.raises(UnreadableKeySetError, match="more than 100 keys"):
        parse_jwks(jwks(*entries))


@pytest.mark.parametrize(("over", "taken"), [(-1, True), (0, True), (1, False)])
def test_a_set_of_keys_at_its_longest(over: int, *, taken: bool) -> None:
    """256 KiB."""
    bare = json.dumps({"keys": [key("ES256").jwk()], "x": ""})
    text = bare.replace('"x": ""', f'"x": "{"y" * (256 * 1024 + over - len(bare))}"').encode()
    assert len(text) == 256 * 1024 + over
    if taken:
        assert parse_jwks(text).has_kid("ES256-good")
        assert not parse_jwks(text).has_kid("ES256")
        assert not parse_jwks(text).has_kid("ES256-good2")
        return
    with pytest.raises(UnreadableKeySetError, match="larger than 256 KiB"):
        parse_jwks(text)


# Extra claims -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "taken"), [(0, False), (1, True), (255, True), (256, True), (257, False)])
def test_the_name_of_a_further_claim(length: int, *, taken: bool) -> None:
    """One to 256 characters, with an alias."""
    if taken:
        assert ExtraClaim.parse("c" * length).claim == "c" * length
        return
    with pytest.raises(ValueError, match="is not the name of a claim"):
        ExtraClaim.parse("c" * length)


def test_two_claims_do_not_fill_one_key() -> None:
    """Condition keys are not case-sensitive."""
    assert len(parse_claims(["groups", "team"])) == 2
    for texts in (["groups", "groups"], ["groups", "GROUPS"], ["groups", "team=Groups"]):
        with pytest.raises(ValueError, match="the same name"):
            parse_claims(texts)


@pytest.mark.parametrize(
    ("claim", "given", "value"),
    [
        ("groups", {"groups": "a"}, "a"),
        ("groups", {"x": "a"}, None),
        ("realm/roles", {"realm": {"roles": ["a", "b"]}}, ("a", "b")),
        ("realm/roles", {"realm/roles": "a"}, "a"),
        ("realm/roles", {"realm": "a"}, None),
        ("/roles", {"": {"roles": "a"}}, None),
        ("groups", {"groups": []}, None),
    ],
)
def test_where_a_further_claim_stands(claim: str, given: dict[str, Any], value: object) -> None:
    """The claim is found by its whole name or by its path.

    Both at once are refused, because readers might differ.
    """
    assert ExtraClaim.parse(claim).find(given) == value
    with pytest.raises(UnusableClaimError):
        ExtraClaim.parse("realm/roles").find({"realm/roles": "a", "realm": {"roles": "b"}})
