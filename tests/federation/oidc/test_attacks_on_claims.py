"""Attacks on, and mistakes in, claims that an issuer really signed, with AWS's messages."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.federation.oidc.setting import EPOCH, ISSUER, claims, judge, token
from tests.growth import least_seconds

from daypass.errors import ExpiredTokenException, InvalidIdentityToken

GENERIC = (
    "The web identity token provided could not be validated. "
    "See the AssumeRoleWithWebIdentity documentation for requirements."
)
NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NOT_YET = (
    f"Token not yet valid: current date/time {EPOCH + 300} must be after or equal to "
    f"the not-before date/time {EPOCH + 301}"
)
TIMESTAMP = "Invalid timestamp in token claims."


def written(**members: str) -> bytes:
    """Return the honest payload with members in the test's own JSON."""
    honest = json.dumps(claims(**dict.fromkeys(members)))
    extra = ",".join(f'"{name}":{text}' for name, text in members.items())
    return f"{honest[:-1]},{extra}}}".encode()


def missing(name: str) -> str:
    """Return AWS's message for an absent claim."""
    return f"Missing a required claim: {name}"


ATTACKS: dict[str, tuple[Callable[[], Any], str]] = {
    "exp-missing": (lambda: claims(exp=None), missing("exp")),
    "exp-null": (lambda: written(exp="null"), missing("exp")),
    "exp-bool": (lambda: claims(exp=True), TIMESTAMP),
    "exp-text": (lambda: claims(exp=str(EPOCH + 600)), TIMESTAMP),
    "exp-list": (lambda: claims(exp=[EPOCH + 600]), TIMESTAMP),
    "exp-huge": (lambda: written(exp="1e30"), TIMESTAMP),
    "exp-year-10000": (lambda: claims(exp=253_402_300_800), TIMESTAMP),
    "exp-negative": (lambda: claims(exp=-1), TIMESTAMP),
    "control-float-times (refused: AWS wants integers)": (lambda: claims(exp=EPOCH + 600.5), TIMESTAMP),
    "exp-whole-float": (lambda: written(exp=f"{EPOCH + 600}.0"), TIMESTAMP),
    "iat-missing": (lambda: claims(iat=None), missing("iat")),
    "iat-future": (lambda: claims(iat=EPOCH + 301), f"Token issued in the future: {EPOCH + 301}"),
    "iat-bool": (lambda: claims(iat=True), TIMESTAMP),
    "nbf-future": (
        lambda: claims(nbf=EPOCH + 301),
        NOT_YET,
    ),
    "nbf-text": (lambda: claims(nbf="soon"), TIMESTAMP),
    "aud-missing": (lambda: claims(aud=None), missing("aud")),
    "aud-empty": (lambda: claims(aud=""), GENERIC),
    "aud-empty-list": (lambda: claims(aud=[]), GENERIC),
    "aud-list-nonstring": (lambda: claims(aud=["sts.amazonaws.com", 1]), GENERIC),
    "aud-list-nested": (lambda: claims(aud=[["sts.amazonaws.com"]]), GENERIC),
    "aud-dict": (lambda: claims(aud={"sts.amazonaws.com": True}), GENERIC),
    "aud-other": (lambda: claims(aud="another"), GENERIC),
    "aud-case": (lambda: claims(aud="STS.amazonaws.com"), GENERIC),
    "aud-slash": (lambda: claims(aud="sts.amazonaws.com/"), GENERIC),
    "aud-multi-no-azp": (
        lambda: claims(aud=["sts.amazonaws.com", "second-client"]),
        "Token audience contains more than one audience while authorized party is not present",
    ),
    "azp-other": (lambda: claims(azp="another"), GENERIC),
    "azp-other-of-many": (lambda: claims(aud=["sts.amazonaws.com", "x"], azp="x"), GENERIC),
    "azp-empty": (lambda: claims(azp=""), GENERIC),
    "azp-list": (lambda: claims(azp=["sts.amazonaws.com"]), GENERIC),
    "azp-number": (lambda: claims(azp=0), GENERIC),
    "iss-slash": (lambda: claims(iss=ISSUER + "/"), GENERIC),
    "iss-scheme": (lambda: claims(iss="http://issuer.example"), GENERIC),
    "iss-no-scheme": (lambda: claims(iss="issuer.example"), GENERIC),
    "iss-case": (lambda: claims(iss="https://ISSUER.example"), GENERIC),
    "iss-userinfo": (lambda: claims(iss="https://issuer.example@attacker.example"), GENERIC),
    "iss-port": (lambda: claims(iss=ISSUER + ":443"), GENERIC),
    "iss-missing": (lambda: claims(iss=None), missing("iss")),
    "iss-null": (lambda: written(iss="null"), missing("iss")),
    "iss-list": (lambda: claims(iss=[ISSUER]), GENERIC),
    "iss-number": (lambda: claims(iss=1), GENERIC),
    "iss-empty": (lambda: claims(iss=""), GENERIC),
    "iss-path": (lambda: claims(iss=ISSUER + "/tenant"), GENERIC),
    "iss-prefix": (lambda: claims(iss=ISSUER + ".attacker.example"), GENERIC),
    "iss-newline": (lambda: claims(iss=ISSUER + "\n"), GENERIC),
    "sub-missing": (lambda: claims(sub=None), missing("sub")),
    "sub-null": (lambda: written(sub="null"), missing("sub")),
    "sub-number": (lambda: claims(sub=1), GENERIC),
    "sub-list": (lambda: claims(sub=["user-1"]), GENERIC),
    "sub-bool": (lambda: claims(sub=True), GENERIC),
    "sub-empty": (lambda: claims(sub=""), GENERIC),
    "sub-long": (lambda: claims(sub="s" * 256), GENERIC),
    "sub-newline": (lambda: claims(sub="user\n1"), GENERIC),
    "dup-claims": (lambda: written(sub='"user-1","sub":"admin"'), NOT_A_JWT),
    "dup-claims-nested": (lambda: written(x='{"a":1,"a":2}'), NOT_A_JWT),
    "dup-claims-escaped": (lambda: written(sub='"user-1","\\u0073ub":"admin"'), NOT_A_JWT),
    "json-nan": (lambda: written(exp="NaN"), NOT_A_JWT),
    "json-infinity": (lambda: written(exp="Infinity"), NOT_A_JWT),
    "json-minus-infinity": (lambda: written(exp="-Infinity"), NOT_A_JWT),
    "json-overflow": (lambda: written(exp="1e999"), NOT_A_JWT),
    "json-big-int": (lambda: written(exp="9" * 5_000), NOT_A_JWT),
    "json-deep": (lambda: written(x="[" * 7_000 + "]" * 7_000), NOT_A_JWT),
    "json-deep-objects": (lambda: written(x='{"a":' * 2_000 + "1" + "}" * 2_000), NOT_A_JWT),
    "json-deep-unclosed": (lambda: b'{"x":' + b"[" * 14_000, NOT_A_JWT),
    "json-quotes": (lambda: b'{"x":[[[[[[[[[[[[[[[[[' + b'\\"' * 6_000, NOT_A_JWT),
    "json-list": (lambda: json.dumps([claims()]).encode(), NOT_A_JWT),
    "json-string": (lambda: b'"claims"', NOT_A_JWT),
    "json-number": (lambda: b"1", NOT_A_JWT),
    "json-null": (lambda: b"null", NOT_A_JWT),
    "json-trailing": (lambda: json.dumps(claims()).encode() + b"{}", NOT_A_JWT),
    "json-comment": (lambda: json.dumps(claims()).encode() + b"//", NOT_A_JWT),
    "json-bom": (lambda: b"\xef\xbb\xbf" + json.dumps(claims()).encode(), NOT_A_JWT),
    "json-utf16": (lambda: json.dumps(claims()).encode("utf-16"), NOT_A_JWT),
    "json-invalid-utf8": (lambda: written(x='"?"').replace(b"?", b"\xff"), NOT_A_JWT),
    "json-surrogate": (lambda: written(sub='"user-\\ud800"'), NOT_A_JWT),
    "json-nul": (lambda: written(sub='"user-1\\u0000"'), NOT_A_JWT),
    "json-control": (lambda: written(sub='"user\t1"'), NOT_A_JWT),
    "typ-logout-by-claims": (
        lambda: claims(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
        NOT_A_JWT,
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_refused(name: str) -> None:
    """A signed token is still refused, in limited time, if AWS does not accept its claims."""
    assert judge(token()).subject == "user-1"
    make, words = ATTACKS[name]
    text = token(make())

    def refuse() -> None:
        with pytest.raises(InvalidIdentityToken) as refusal:
            judge(text)
        assert refusal.value.message == words

    assert least_seconds(refuse, 0.5) < 0.5


def test_an_expired_token_has_a_code_of_its_own() -> None:
    """A token expires five minutes after exp: the end is exclusive."""
    with pytest.raises(ExpiredTokenException) as refusal:
        judge(token(exp=EPOCH - 300))
    assert refusal.value.message == (
        f"Token expired: current date/time {EPOCH - 300} must be before the expiration date/time {EPOCH - 300}"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": EPOCH - 299},
        {"iat": EPOCH + 300, "exp": EPOCH + 600},
        {"nbf": EPOCH + 300},
        {"nbf": 0},
        {"exp": EPOCH + 10**9},
        {"sub": "s" * 255},
        {"sub": "système:compte 🚀"},
        {"sub": "user-\U0001f680"},
        {"nested": [[[[[[{"a": 1.5}]]]]]]},
    ],
)
def test_what_is_within_the_limits_is_accepted(changes: dict[str, Any]) -> None:
    """Each time has five minutes of tolerance; long lifetimes, long subjects and any script are accepted."""
    assert judge(token(**changes)).issuer == ISSUER


def test_the_first_fault_is_the_missing_claim() -> None:
    """AWS names the first absent claim in its order, before any other check."""
    with pytest.raises(InvalidIdentityToken, match="required claim: sub"):
        judge(token(sub=None, aud=None, exp=1))
