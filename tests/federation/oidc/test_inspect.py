"""The report on a token, check by check."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.federation.oidc.setting import NOW, PROVIDER, claims, header, jwks, key, token

from daypass.directory.entities.propagation_entities import ContextKeyDefinition, ContextProvider
from daypass.errors import IDPCommunicationError
from daypass.federation.oidc.claims import ROLES_CLAIM
from daypass.federation.oidc.inspect import MissingInput, inspect_token
from daypass.federation.oidc.keys import parse_jwks
from daypass.federation.oidc.provider import refuse_unknown_issuer
from daypass.federation.report import CheckOutcome, InspectionReport
from daypass.testing.tokens import compact

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


def test_propagated_claims_are_checked_and_shown() -> None:
    """A provider with a context provider refuses a token without its subject, and the report says which claim."""
    context = ContextProvider(subject_source_key="upn", key_definitions=(ContextKeyDefinition(source_key="dep"),))
    provider = replace(PROVIDER, context_provider=context)
    found = inspect_token(token(upn="alice", dep="Research"), provider=provider, keys=KEYS, now=NOW)
    assert found.verdict == "accepted"
    assert found.condition_keys["aws:originidentity/subject"] == "alice"
    assert found.condition_keys["aws:transactioncontext/identityprovider/dep"] == "Research"
    refused = inspect_token(token(), provider=provider, keys=KEYS, now=NOW)
    assert (refused.verdict, refused.message) == ("refused", "Missing a required claim: upn")
    assert "ContextProvider" in refused.failed[0].hint


def test_all_faults_are_named_at_once() -> None:
    """Unlike STS, which stops at the first."""
    found = report(token(aud="other", exp=1, sub=7))
    assert failed(found) == ["subject", "audience", "expiry"]
    assert (found.verdict, found.code) == ("refused", "InvalidIdentityToken")
    assert not found.condition_keys
    expiry = found.checks[-1]
    assert (expiry.code, expiry.hint) == (
        "ExpiredTokenException",
        "The token expired more than five minutes ago. Get a new one, or check both clocks.",
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
    found = inspect_token(
        token(), provider=PROVIDER, keys=None, now=NOW, missing=MissingInput(why_no_keys="the issuer is away")
    )
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


@pytest.mark.parametrize(
    ("length", "bound"), [(20_001, "less than or equal to 20000"), (3, "greater than or equal to 4")]
)
def test_a_token_of_another_length_has_sts_s_words(length: int, bound: str) -> None:
    """The API checks the length before it reads the token."""
    found = report("a" * length)
    assert (found.verdict, found.code) == ("refused", "ValidationError")
    assert found.message == (
        "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: "
        f"Member must have length {bound}"
    )
    assert "4 to 20,000 characters" in found.checks[0].hint


@pytest.mark.parametrize(
    ("before", "after", "taken"),
    [
        ("", "\n", True),
        ("", "\r\n", True),
        ("", "\n\n", False),
        ("", " ", False),
        (" ", "", False),
        ("\n", "", False),
    ],
)
def test_one_line_end_after_a_token_is_not_part_of_it(before: str, after: str, *, taken: bool) -> None:
    """The report judges the token as SDKs send it: a file with one line end, and no other white space."""
    found = report(f"{before}{token()}{after}")
    assert (found.verdict == "accepted") is taken
    assert failed(found) == ([] if taken else ["form"])


@pytest.mark.parametrize("roles", [None, [], "", "admin", ["arn:aws:iam::210987654321:role/dev"], [1]])
def test_a_list_of_roles_that_allows_none_is_refused(roles: object) -> None:
    """STS refuses the token for every role that trusts the provider."""
    text = compact(header(), json.dumps({**claims(), ROLES_CLAIM: roles}).encode(), key("RS256"))
    found = report(text)
    assert (found.verdict, found.code) == ("refused", "InvalidIdentityToken")
    assert found.message == "The target role ARN is not present in the roles claim of the identity token"


def test_a_list_with_a_role_of_the_account_is_accepted() -> None:
    """The report does not know the role, so one possible role is enough."""
    role = f"{PROVIDER.arn.partition(':oidc-provider/')[0]}:role/team/dev"
    assert report(token({**claims(), ROLES_CLAIM: ["x", role]})).verdict == "accepted"


def test_sts_s_answer_without_a_provider_or_keys_is_shown() -> None:
    """There is no verdict, but STS would refuse the token now, and its words are known."""
    unknown, away = refuse_unknown_issuer("https://issuer.example"), IDPCommunicationError("away")
    found = inspect_token(token(), provider=None, keys=None, now=NOW, missing=MissingInput("none", unknown))
    assert (found.verdict, found.code, found.message) == ("unknown", unknown.code, unknown.message)
    missing = MissingInput(why_no_keys="timeout", keys_refusal=away)
    found = inspect_token(token(), provider=PROVIDER, keys=None, now=NOW, missing=missing)
    assert (found.verdict, found.code, found.message) == ("unknown", "IDPCommunicationError", "away")
    found = inspect_token(token(exp=1), provider=PROVIDER, keys=None, now=NOW, missing=missing)
    assert (found.verdict, found.code) == ("refused", "IDPCommunicationError")
