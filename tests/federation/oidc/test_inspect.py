"""The report on a token, check by check."""

import base64

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.federation.oidc.setting import NOW, PROVIDER, jwks, token

from daypass.federation.oidc.inspect import inspect_token
from daypass.federation.oidc.keys import parse_jwks
from daypass.federation.report import CheckOutcome, InspectionReport

KEYS = parse_jwks(jwks())


def report(text: str) -> InspectionReport:
    """Return the report with a provider and keys."""
    return inspect_token(text, provider=PROVIDER, keys=KEYS, now=NOW)


def failed(found: InspectionReport) -> list[str]:
    """Return the names of the checks that failed."""
    return [check.name for check in found.failed]


def test_a_good_token_passes_each_check_and_shows_its_keys() -> None:
    """No check is skipped, and the condition keys are those that a policy would see."""
    found = report(token())
    assert found.verdict == "accepted"
    assert found.condition_keys["issuer.example:sub"] == "user-1"
    assert found.unverified_header["kid"] == "RS256-good"


def test_all_faults_are_named_at_once() -> None:
    """Unlike STS, which stops at the first."""
    found = report(token(aud="other", exp=1, sub=7))
    assert failed(found) == ["subject", "audience", "expiry"]
    assert (found.verdict, found.code) == ("refused", "InvalidIdentityToken")
    assert not found.condition_keys
    expiry = found.checks[-1]
    assert (expiry.code, expiry.hint) == (
        "ExpiredTokenException",
        "Get a fresh token; this one ended more than five minutes ago.",
    )


def test_a_bad_signature_does_not_hide_the_claims() -> None:
    """The claims are still shown, as unverified, and yield no condition keys."""
    head, body, tail = token().split(".")
    found = report(f"{head}.{body}.{'A' * len(tail)}")
    assert failed(found) == ["signature"]
    assert found.unverified_claims["sub"] == "user-1"
    assert not found.condition_keys


def test_an_algorithm_that_is_not_taken_has_a_remedy_of_its_own() -> None:
    """LemonLDAP::NG signs with the client's secret by default; the token's form is not at fault."""
    head = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"HS512"}').rstrip(b"=").decode()
    found = report(f"{head}.{token().partition('.')[2]}")
    assert failed(found) == ["form"]
    assert "RS256 or ES256" in found.checks[0].hint


def test_what_is_missing_is_skipped_and_said() -> None:
    """Without a provider or keys the report names the checks that were not possible."""
    found = inspect_token(token(), provider=None, keys=None, now=NOW)
    assert {check.name for check in found.checks if check.outcome is CheckOutcome.PASSED} == {"form"}
    found = inspect_token(token(), provider=PROVIDER, keys=None, now=NOW, no_keys="the issuer is away")
    assert [check.why for check in found.checks if check.name == "signature"] == ["the issuer is away"]
    assert found.verdict == "unknown"


def test_a_token_without_claims() -> None:
    """Later checks have no input, and are skipped, not failed."""
    assert failed(report(token({"iss": "https://issuer.example"}))) == ["required claims"]


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1")), st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
)
def test_garbage_gets_a_report_too(text: str) -> None:
    """Every input gets a report, without a traceback."""
    assert failed(report(text)) == ["form"]
