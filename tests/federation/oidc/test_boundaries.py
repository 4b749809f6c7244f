"""Every limit of a token, judged at it, one unit before it and one after it.

RFC 7519: a token is refused on or after exp (4.1.4), and before nbf (4.1.5). AWS adds five minutes to each.
"""

from datetime import timedelta
from typing import Any

import pytest
from tests.federation.oidc.setting import AUDIENCE, EPOCH, NOW, claims, header, judge, jwks, key, token, trusting

from daypass.errors import Fault
from daypass.federation.oidc.token import MAX_TOKEN, read_token
from daypass.testing.tokens import compact

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
    """A clock between two seconds stands in the former: what begins has not begun, and what ends has not ended."""
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
    """One to 255 characters, none of which is a control."""
    assert outcome(token(claims(**changes))) == code


@pytest.mark.parametrize(("length", "code"), [(1, TAKEN), (1_024, TAKEN), (1_025, INVALID)])
@pytest.mark.parametrize("place", ["aud", "azp", "list"])
def test_an_audience_at_its_limit(place: str, length: int, code: str) -> None:
    """One to 1,024 characters, wherever it stands; registered or not, a longer one is refused."""
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
    """One to 512 characters. Where no published key has a name, one of any name is meant."""
    published = {name: value for name, value in key("RS256").jwk().items() if name != "kid"}
    text = compact(header(kid="k" * length), claims(), key("RS256"))
    assert outcome(text, keys=jwks(published)) == code


@pytest.mark.parametrize(("over", "taken"), [(0, True), (1, False)])
def test_a_token_at_its_longest(over: int, *, taken: bool) -> None:
    """20,000 characters, and what is longer is not even looked at."""
    whole = token()
    short = MAX_TOKEN + over - len(whole)
    # base64 writes three bytes as four characters: the padding claim is sought that makes the token just so long.
    texts = (token(x="y" * length) for length in range(short * 3 // 4 - 20, short * 3 // 4))
    text = next(text for text in texts if len(text) == MAX_TOKEN + over)
    assert MAX_TOKEN == 20_000
    if taken:
        assert outcome(text) == TAKEN
        return
    with pytest.raises(Fault) as refused:
        read_token(text)
    assert refused.value.detail == "longer than 20,000 characters"


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
