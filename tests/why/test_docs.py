"""Run the commands of docs/explaining-denials.md and compare the output."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.documents import allow, deny, document, trusting
from tests.refusals import Refusal, refused
from tests.why.conftest import decoded

from daypass.cli.operators.policies.explain import command
from daypass.testing.plugin import client_factory
from daypass.testing.server import running_server

PAGE = Path(__file__).parents[2] / "docs" / "explaining-denials.md"
HERE = "arn:aws:iam::111122223333:"


@dataclass(frozen=True)
class Story:
    """The page's store, alice's refusals, and a client to decode messages."""

    store: str
    told: dict[str, Refusal]
    sts: Any


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Create the accounts, users and roles of the page, and alice's refusals."""
    store = f"sqlite:///{tmp_path_factory.mktemp('page')}/daypass.db"
    with running_server(store=store, account="111122223333") as server:
        make = client_factory(server)
        iam, production = make("iam"), make("iam", server.new_account("444455556666", name="production"))
        iam.create_user(UserName="alice")
        own = (
            allow("iam:List*", Sid="FromTheOffice", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
            deny("iam:Delete*", Sid="NeverDelete"),
            allow("sts:AssumeRole", Sid="Roles"),
        )
        iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document(*own))
        mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
        for client, name, trust in (
            (iam, "admin", trusting({"AWS": f"{HERE}user/alice"}, Sid="Admins", Condition=mfa)),
            (production, "deploy", trusting({"AWS": f"{HERE}role/admin"}, Sid="FromDevelopment")),
        ):
            client.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        iam.put_role_policy(RoleName="admin", PolicyName="all", PolicyDocument=document(allow("*")))
        key = iam.create_access_key(UserName="alice")["AccessKey"]
        alice, sts = make("iam", key), make("sts", key)
        told = {
            "list-users": refused(alice.list_users),
            "delete-user": refused(alice.delete_user, UserName="bob"),
            "assume-role": refused(sts.assume_role, RoleArn=f"{HERE}role/admin", RoleSessionName="monday"),
        }
        yield Story(store, told, make("sts"))


def _blocks() -> list[tuple[str, list[str]]]:
    found = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    blocks = []
    for block in found:
        asked, _, shown = block.replace("\\\n", " ").partition("\n")
        blocks.append((asked.removeprefix("$ "), shown.rstrip("\n").split("\n")))
    return blocks


def _assert_shown(shown: list[str], real: list[str]) -> None:
    """Compare line by line; a line with only `…` means any number of lines."""
    at = 0
    for place, line in enumerate(shown):
        if line.strip() == "…":
            continue
        if place and shown[place - 1].strip() == "…":
            at = real.index(line, at)
        assert real[at] == line
        at += 1
    assert at == len(real) or shown[-1].strip() == "…"


@pytest.mark.parametrize(("asked", "shown"), [block for block in _blocks() if block[0].startswith("aws")])
def test_what_aws_prints(story: Story, asked: str, shown: list[str]) -> None:
    """The refusals of the page are those of alice's calls."""
    refusal = story.told[shlex.split(asked)[2]]
    assert " ".join(shown).endswith(refusal.words)


@pytest.mark.parametrize(("asked", "shown"), [block for block in _blocks() if block[0].startswith("daypass")])
def test_what_explain_prints(story: Story, asked: str, shown: list[str]) -> None:
    """The explanations of the page are the output of the command."""
    encoded = story.told["list-users"].encoded
    assert encoded is not None
    words = [encoded if word == "$MESSAGE" else word for word in shlex.split(asked)[2:]]
    result = CliRunner().invoke(command, [*words, "--store", story.store])
    _assert_shown(shown, result.output.rstrip("\n").split("\n"))


def test_what_a_message_says(story: Story) -> None:
    """The JSON of the page is the output of its jq filter."""
    (text,) = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert json.loads(text) == _filtered(decoded(story.sts, story.told["list-users"]))


def _filtered(told: Any) -> Any:
    closest = [{name: one[name] for name in ("policyId", "statementId", "misses")} for one in told["closestStatements"]]
    return {"reason": told["reason"], "closest": closest, "missing": told["missingContextKeys"]}
