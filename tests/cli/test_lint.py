"""`daypass lint` warns about likely mistakes in a policy, and rejects an invalid policy."""

import json

import pytest
from click.testing import CliRunner, Result

from daypass.cli.main import cli

OPEN = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}'
CLOSED = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}'


def run(policy: str | bytes, *arguments: str) -> Result:
    """Lint a policy from standard input."""
    return CliRunner().invoke(cli, ["lint", *arguments, "-"], input=policy)


def test_a_trust_policy_that_trusts_everybody_is_warned_of() -> None:
    """The warning has the place, the reason and the rule."""
    result = run(OPEN, "--kind", "trust")
    assert result.exit_code == 0
    assert result.output == (
        "Statement[0].Principal: everyone in every account is allowed; add a condition, or list the principals "
        "(open-principal)\n"
    )


def test_warnings_are_one_json_document_for_scripts() -> None:
    """`--output json` prints the same warnings."""
    [warning] = json.loads(run(OPEN, "--kind", "trust", "--output", "json").output)["Warnings"]
    assert (warning["Path"], warning["Rule"]) == ("Statement[0].Principal", "open-principal")


def test_a_policy_without_fault_has_no_warning() -> None:
    """It prints a message, since no output could be a failure."""
    assert run(CLOSED).output == "No warnings.\n"


@pytest.mark.parametrize(("policy", "code"), [(OPEN, 4), ("{}", 4), ("{", 4), (b"\xff", 2)])
def test_what_is_no_policy_of_this_kind_is_refused(policy: str | bytes, code: int) -> None:
    """A trust policy is not a valid identity policy, and IAM would reject it."""
    assert run(policy).exit_code == code


RESOURCE = '{"Version":"2012-10-17","Statement":{"Effect":"%s","Action":"s3:*","Resource":"%s"}}'
ELSEWHERE = OPEN.replace('"*"', '{"AWS":"arn:aws-cn:iam::123456789012:root"}')
REFUSED = [
    ("identity", RESOURCE % ("allow", "*"), "The policy failed legacy parsing"),
    ("identity", " " + CLOSED, "The policy failed legacy parsing"),
    ("trust", "\n" + OPEN, "JSON strings must not have leading spaces"),
    (
        "identity",
        RESOURCE % ("Allow", "arn:${P}:s3:::b"),
        'Partition "${P}" is not valid for resource "arn:${P}:s3:::b".',
    ),
    ("session", RESOURCE % ("Allow", "arn:aws-cn:s3:::b"), 'Partition "aws-cn" is not valid for resource'),
    ("service-control", RESOURCE % ("Deny", "arn:aws-cn:s3:::b"), 'Partition "aws-cn" is not valid for resource'),
    ("trust", ELSEWHERE, 'Invalid principal in policy: "AWS":"arn:aws-cn:iam::123456789012:root"'),
    ("identity", "{", "Syntax errors in policy."),
    (
        "identity",
        '{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Who":"*"}}',
        "Statement.Who: is not a policy",
    ),
]


@pytest.mark.parametrize(("kind", "policy", "words"), REFUSED)
def test_a_refusal_has_the_words_of_the_action_that_saves_it(kind: str, policy: str, words: str) -> None:
    """A person reads the same sentence from the linter and from IAM; the place of the fault follows it."""
    result = run(policy, "--kind", kind)
    assert result.exit_code == 4
    assert words in result.output


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            {
                "Principal": {
                    "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
                },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:acme*"}},
            },
            "is shared by many organizations",
        ),
        (
            {"Principal": {"AWS": "123456789012"}, "Action": "sts:GetCallerIdentity"},
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
    ],
)
def test_a_trust_policy_that_iam_refuses_is_refused_in_its_words(statement: dict[str, object], words: str) -> None:
    """The checks of CreateRole that need no store are made too."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
    result = run(policy, "--kind", "trust")
    assert result.exit_code == 4
    assert words in result.output


FILE = """version: 1
accounts:
  123456789012:
    policies:
      read:
        document: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "s3:GetObject", Resource: "*"}}
      policy:
        document: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}'
    roles:
      open:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: "*", Action: "sts:AssumeRole"}}
        inline:
          wrong: {Version: "2012-10-17", Statement: {Effect: Alow, Action: "s3:GetObject", Resource: "*"}}
"""


def test_each_policy_of_a_configuration_file_is_checked_at_its_place() -> None:
    """A refused policy does not hide the warnings of the others."""
    result = run(FILE)
    assert result.exit_code == 4, result.output
    assert "accounts.123456789012.roles.open.trust (line 11, column 16) Statement[0].Principal" in result.output
    assert "accounts.123456789012.roles.open.inline.wrong (line 13, column 18): " in result.output
    assert "Statement.Effect: must be Allow or Deny" in result.output


def test_a_configuration_file_without_fault_has_no_warning() -> None:
    """Its policies have the kind of their fields, whatever --kind says."""
    assert (
        run(FILE.partition("    roles:")[0].replace("s3:*", "s3:GetObject"), "--kind", "trust").output
        == "No warnings.\n"
    )


def test_a_configuration_file_that_cannot_be_parsed_is_refused_with_its_line() -> None:
    """It is not taken for a policy."""
    result = run(FILE + "  - [\n")
    assert result.exit_code == 2
    assert "line 14" in result.output
