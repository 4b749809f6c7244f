"""AWS's messages for refused web identity tokens, word by word, through the whole server."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.web_identity.conftest import Account, not_taken, take

from daypass.audit.event import to_event
from daypass.testing.oidc import OidcIssuer
from daypass.testing.server import RunningServer

NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NOT_VALIDATED = (
    "The web identity token provided could not be validated. "
    "See the AssumeRoleWithWebIdentity documentation for requirements."
)
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
TWO_AUDIENCES = "Token audience contains more than one audience while authorized party is not present"


@pytest.fixture
def role(account: Account, issuer: OidcIssuer) -> str:
    """Create a role that the issuer's tokens get."""
    return account.role("r", account.trust(issuer))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sub": None}, "Missing a required claim: sub"),
        ({"aud": None}, "Missing a required claim: aud"),
        ({"iat": None}, "Missing a required claim: iat"),
        ({"exp": None}, "Missing a required claim: exp"),
        ({"iss": None}, "Missing a required claim: iss"),
        ({"exp": "tomorrow"}, "Invalid timestamp in token claims."),
        ({"iat": 1.5}, "Invalid timestamp in token claims."),
        ({"aud": ["sts.amazonaws.com", "b"]}, TWO_AUDIENCES),
        ({"aud": "nobody"}, NOT_VALIDATED),
        ({"aud": "sts.amazonaws.com", "azp": "nobody"}, NOT_VALIDATED),
        (
            {"iss": "https://nobody.example"},
            "No OpenIDConnect provider found in your account for https://nobody.example",
        ),
        ({"events": {}}, NOT_A_JWT),
    ],
)
def test_claims_are_refused_in_aws_s_words(
    issuer: OidcIssuer, sts: Any, role: str, change: dict[str, Any], words: str
) -> None:
    """A genuine signature does not make wrong claims valid.

    The same token without the change is accepted.
    """
    assert take(sts, role, issuer.token())
    assert not_taken(sts, role, issuer.token(**change)) == ("InvalidIdentityToken", 400, words)


def test_five_minutes_either_way(issuer: OidcIssuer, sts: Any, role: str, server: RunningServer) -> None:
    """A token is valid from five minutes before its time to five minutes after it, and not a second longer."""
    server.clock.freeze()
    try:
        now = int(server.clock.now().timestamp())
        moments: tuple[dict[str, Any], ...] = ({"exp": now - 299}, {"iat": now + 300}, {"nbf": now + 300})
        for good in moments:
            assert take(sts, role, issuer.token(**good))
        late = f"Token expired: current date/time {now - 300} must be before the expiration date/time {now - 300}"
        assert not_taken(sts, role, issuer.token(exp=now - 300)) == ("ExpiredTokenException", 400, late)
        early = f"Token issued in the future: {now + 301}"
        assert not_taken(sts, role, issuer.token(iat=now + 301)) == ("InvalidIdentityToken", 400, early)
        soon = (
            f"Token not yet valid: current date/time {now + 300} must be after or equal to "
            f"the not-before date/time {now + 301}"
        )
        assert not_taken(sts, role, issuer.token(nbf=now + 301)) == ("InvalidIdentityToken", 400, soon)
    finally:
        server.clock.reset()


def test_a_token_grows_old_where_it_lies(issuer: OidcIssuer, sts: Any, role: str, server: RunningServer) -> None:
    """The same token is valid now and refused when it has expired."""
    token = issuer.token()
    assert take(sts, role, token)
    server.clock.move(timedelta(minutes=15, seconds=1))
    try:
        assert not_taken(sts, role, token)[0] == "ExpiredTokenException"
    finally:
        server.clock.reset()


def _without_signature(token: str) -> str:
    return token.rpartition(".")[0] + "."


def _altered(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without_signature, NOT_A_JWT),
        (_altered, NOT_VALIDATED),
        (lambda token: f"Bearer {token}", NOT_A_JWT),
        (lambda token: f" {token}", NOT_A_JWT),
        (lambda token: f"{token}\n\n", NOT_A_JWT),
        (lambda _: "opaque-access-token", NOT_A_JWT),
        (lambda token: ".".join([token] * 2), NOT_A_JWT),
    ],
)
def test_a_token_that_was_touched_is_refused(
    issuer: OidcIssuer, sts: Any, role: str, damage: Callable[[str], str], words: str
) -> None:
    """The token is accepted unchanged, and refused after the manipulation."""
    token = issuer.token()
    assert take(sts, role, token)
    assert not_taken(sts, role, damage(token)) == ("InvalidIdentityToken", 400, words)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_s_last_line_end_is_not_the_token_s(issuer: OidcIssuer, sts: Any, role: str, end: str) -> None:
    """`echo` and `jq -r` end the token file with a newline, and SDKs send it too."""
    assert take(sts, role, issuer.token() + end)


def test_a_key_that_is_not_published(account: Account, sts: Any, fleet: Any) -> None:
    """For a token with an unpublished key there is no verification key."""
    with fleet.issuer() as issuer:
        role = account.role("r", account.trust(issuer))
        assert take(sts, role, issuer.token())
        issuer.signing["RS256"] = issuer.signing["RS256"].named("unknown")
        assert not_taken(sts, role, issuer.token()) == ("InvalidIdentityToken", 400, NO_KEY)


@pytest.mark.parametrize(
    ("provider", "words"),
    [("www.amazon.com", "Provided Token is not a Login With Amazon token"), ("graph.facebook.com", NOT_VALIDATED)],
)
def test_providers_of_opaque_tokens_are_refused(
    issuer: OidcIssuer, sts: Any, role: str, provider: str, words: str
) -> None:
    """Only Amazon's and Facebook's own services can verify their access tokens, so they are refused here."""
    assert not_taken(sts, role, issuer.token(), ProviderId=provider) == ("InvalidIdentityToken", 400, words)


@pytest.mark.parametrize("issuer_name", ["https://accounts.google.com", "https://cognito-identity.amazonaws.com"])
def test_built_in_issuers_need_no_provider_and_still_a_signature(
    account: Account, issuer: OidcIssuer, sts: Any, role: str, issuer_name: str, server: RunningServer
) -> None:
    """Google and Cognito are known in every account; a token that only claims their issuer is refused.

    Without network their keys cannot be fetched; with it, they did not make this signature.
    """
    account.trust(issuer)
    answer = not_taken(sts, role, issuer.token(iss=issuer_name))
    assert answer[0] in {"IDPCommunicationError", "InvalidIdentityToken"}
    assert "No OpenIDConnect provider" not in answer[2]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"RoleArn": "role"}, "ValidationError"),
        ({"RoleArn": "arn:aws:iam::123456789012:user/role-or-not"}, "ValidationError"),
        ({"RoleSessionName": "a"}, "ValidationError"),
        ({"RoleSessionName": "a b"}, "ValidationError"),
        ({"DurationSeconds": 899}, "ValidationError"),
        ({"DurationSeconds": 43201}, "ValidationError"),
        ({"WebIdentityToken": "abc"}, "ValidationError"),
        ({"WebIdentityToken": "a" * 20_001}, "ValidationError"),
    ],
)
def test_parameters_are_checked_before_the_token(
    issuer: OidcIssuer, sts: Any, role: str, change: dict[str, Any], code: str
) -> None:
    """The service model refuses invalid parameters, whether the token is valid or not."""
    given = {"RoleArn": role, "RoleSessionName": "session", "WebIdentityToken": issuer.token(), **change}
    with pytest.raises(ClientError) as caught:
        sts.assume_role_with_web_identity(**given)
    assert caught.value.response["Error"]["Code"] == code


def test_no_token_is_in_the_audit(issuer: OidcIssuer, sts: Any, role: str, server: RunningServer) -> None:
    """The audit record of an exchange hides the token, and so does that of a refusal."""
    token = issuer.token()
    take(sts, role, token)
    not_taken(sts, role, token + "x")
    for record in server.audit.audit_records[-2:]:
        assert token not in repr(to_event(record))
