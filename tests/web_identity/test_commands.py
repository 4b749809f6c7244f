"""`daypass oidc` and `daypass token` beside a running server.

They set extra claims and pinned keys, and say why a token is refused.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from tests.web_identity.conftest import Account, Fleet, name_of, not_taken, reaching, take, unsigned_client

from daypass.cli.main import cli
from daypass.testing.oidc import DISCOVERY, Answer, OidcIssuer
from daypass.testing.server import RunningServer, running_server

Command = Callable[..., Result]
DENIED = ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity")


@pytest.fixture(scope="module")
def server(fleet: Fleet, issuer: OidcIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run a server on a store that a command can open too."""
    store = f"sqlite:///{tmp_path_factory.mktemp('store') / 'd.db'}"
    with running_server(store=store, config=reaching(issuer)) as running:
        fleet.server = running
        yield running


@pytest.fixture(scope="module")
def sts(server: RunningServer) -> Any:
    """Return a client that does not sign."""
    return unsigned_client(server)


@pytest.fixture
def daypass(server: RunningServer, issuer: OidcIssuer) -> Command:
    """Run a command on the server's store, with the server's settings for fetching."""
    reach = {"DAYPASS_OIDC_CA_BUNDLE": str(issuer.ca_bundle), "DAYPASS_OIDC_ALLOWED_NETWORKS": "127.0.0.0/8"}

    def run(*arguments: str, typed: str = "", code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [*arguments, "--store", server.config.store], input=typed, env=reach)
        assert result.exit_code == code, result.output
        return result

    return run


def provider_of(account: Account, issuer: OidcIssuer) -> str:
    """Return the ARN of the account's provider."""
    return f"arn:aws:iam::{account.id}:oidc-provider/{name_of(issuer)}"


def test_further_claims_become_condition_keys(account: Account, issuer: OidcIssuer, sts: Any, daypass: Command) -> None:
    """Groups and nested roles decide once an operator has exposed them, as sets, and not before."""
    name = name_of(issuer)
    trust = account.trust(
        issuer,
        **{"ForAnyValue:StringEquals": {f"{name}:groups": "ops", f"{name}:roles": "deployer"}},
    )
    role = account.role("r", trust)
    token = issuer.token(groups=["dev", "ops"], realm_access={"roles": ["deployer", "viewer"]})
    assert not_taken(sts, role, token) == DENIED
    daypass("oidc", "set", provider_of(account, issuer), "--claim", "groups", "--claim", "realm_access/roles=roles")
    assert take(sts, role, token)
    assert not_taken(sts, role, issuer.token(groups=["dev"], realm_access={"roles": ["deployer"]})) == DENIED
    daypass("oidc", "set", provider_of(account, issuer), "--no-claims")
    assert not_taken(sts, role, token) == DENIED


def test_pinned_keys_need_no_network(
    account: Account, sts: Any, daypass: Command, fleet: Fleet, tmp_path: Path
) -> None:
    """For an unreachable issuer, exactly the keys that an operator pinned are trusted."""
    with fleet.issuer() as far:
        far.answers = {DISCOVERY: Answer.fail(500)}
        role = account.role("r", account.trust(far))
        file = tmp_path / "jwks.json"
        file.write_text(json.dumps({"keys": far.published}))
        daypass("oidc", "set", provider_of(account, far), "--pin", str(file))
        assert take(sts, role, far.token())
        assert far.requests[DISCOVERY] == 0
        far.rotate()
        assert not_taken(sts, role, far.token())[0] == "InvalidIdentityToken"
        assert far.requests[DISCOVERY] == 0
        shown = json.loads(daypass("oidc", "providers", "--output", "json").stdout)["Providers"]
        assert [each["PinnedKeys"] for each in shown if each["Arn"] == provider_of(account, far)] == [1]
        daypass("oidc", "set", provider_of(account, far), "--unpin")
        assert not_taken(sts, role, far.token())[0] == "IDPCommunicationError"


def test_immutable_subjects_of_github_open_the_role_of_their_organization(
    account: Account, issuer: OidcIssuer, sts: Any, daypass: Command, tmp_path: Path
) -> None:
    """One pattern for each form of the subject; the ids of the organization and the repository may be open."""
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": issuer.published}))
    github = "token.actions.githubusercontent.com"
    patterns = ["repo:acme/site:ref:refs/heads/main", "repo:acme@*/site@*:ref:refs/heads/main"]
    role = account.role("r", account.trust(github, StringLike={f"{github}:sub": patterns}))
    daypass("oidc", "set", f"arn:aws:iam::{account.id}:oidc-provider/{github}", "--pin", str(file))
    for start, taken in {
        "repo:acme/site": True,
        "repo:acme@1/site@2": True,
        "repo:acme@65/site@4711": True,
        "repo:acme2@1/site@2": False,
        "repo:xacme@1/site@2": False,
        "repo:acme@1/other@2": False,
        "repo:acme2/site": False,
    }.items():
        token = issuer.token(iss=f"https://{github}", sub=f"{start}:ref:refs/heads/main")
        if taken:
            assert take(sts, role, token)["SubjectFromWebIdentityToken"].startswith(start)
        else:
            assert not_taken(sts, role, token) == DENIED
    for pattern in ("repo:acme*", "repo:acme@1*", "repo:*@1/site@2:*"):
        with pytest.raises(ClientError, match=r"MalformedPolicyDocument.*is shared by many organizations"):
            account.role("open", account.trust(github, StringLike={f"{github}:sub": ["repo:acme/*", pattern]}))


@pytest.mark.parametrize(
    "options",
    [
        ["--claim", "sub"],
        ["--claim", "https://acme.example/groups"],
        ["--claim", "groups", "--claim", "realm/groups=Groups"],
    ],
)
def test_a_claim_that_cannot_be_exposed_is_refused(
    account: Account, issuer: OidcIssuer, daypass: Command, options: list[str]
) -> None:
    """Neither a key that AWS defines, nor a name that policies do not allow, nor two claims with one name."""
    account.trust(issuer)
    daypass("oidc", "set", provider_of(account, issuer), *options, code=6)


def test_what_holds_no_keys_is_not_pinned(
    account: Account, issuer: OidcIssuer, daypass: Command, tmp_path: Path
) -> None:
    """A file without a usable key would lock out every user."""
    account.trust(issuer)
    file = tmp_path / "jwks.json"
    file.write_text('{"keys": []}')
    refused = daypass("oidc", "set", provider_of(account, issuer), "--pin", str(file), code=6)
    assert "does not contain usable keys" in refused.output
    daypass("oidc", "set", "arn:aws:iam::123456789012:oidc-provider/missing.example", "--unpin", code=6)


def test_a_good_token_is_taken_apart(account: Account, issuer: OidcIssuer, daypass: Command) -> None:
    """The issuer is contacted as the server does it; each check and the condition keys are shown."""
    account.trust(issuer)
    shown = daypass("token", "inspect", "-", "--account", account.id, typed=issuer.token(email="a@b.example") + "\n")
    assert "STS would accept this token" in shown.output
    assert f"{name_of(issuer)}:email" in shown.output
    document = json.loads(
        daypass("token", "inspect", "-", "--account", account.id, "--output", "json", typed=issuer.token()).stdout
    )
    assert document["Verdict"] == "accepted"
    assert document["Provider"] == provider_of(account, issuer)
    assert document["ConditionKeys"][f"{name_of(issuer)}:sub"] == "repo:acme/site"


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"aud": "other"}, "audience", "could not be validated"),
        ({"exp": 1_000_000_000}, "expiry", "Token expired: current date/time"),
        ({"sub": None}, "required claims", "Missing a required claim: sub"),
    ],
)
def test_a_bad_token_is_told_why(
    account: Account, issuer: OidcIssuer, daypass: Command, change: dict[str, Any], check: str, words: str
) -> None:
    """The answer of STS, the reason and the remedy, for the check that failed; exit code 5."""
    account.trust(issuer)
    arguments = ("token", "inspect", "-", "--account", account.id, "--output", "json")
    document = json.loads(daypass(*arguments, typed=issuer.token(**change), code=5).stdout)
    (failed,) = (each for each in document["Checks"] if each["Outcome"] == "failed")
    assert (document["Verdict"], failed["Name"]) == ("refused", check)
    assert words in failed["Message"]
    assert failed["Hint"]


def test_no_verdict_without_keys_or_provider(
    account: Account, issuer: OidcIssuer, daypass: Command, tmp_path: Path
) -> None:
    """Checks that were not possible are reported as skipped, not as passed or failed; exit code 6."""
    account.trust(issuer)
    token = issuer.token()
    assert (
        "not fetched (--offline)"
        in daypass("token", "inspect", "-", "--account", account.id, "--offline", typed=token, code=6).output
    )
    nobody = daypass("token", "inspect", "-", typed=issuer.token(iss="https://nobody.example"), code=6)
    assert "no provider for this issuer" in nobody.output
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": issuer.published}))
    daypass("token", "inspect", "-", "--jwks", str(file), "--audience", "sts.amazonaws.com", typed=token)


@pytest.mark.parametrize("text", ["", "opaque", "a.b.c", "\x1b[31m.x.y", "e30.e30.e30"])
def test_anything_may_be_inspected(daypass: Command, text: str) -> None:
    """A string that is not a token fails its first check; its control characters do not reach the terminal."""
    shown = daypass("token", "inspect", "-", typed=text, code=5).output
    assert "FAIL" in shown
    assert "\x1b[31m" not in shown
