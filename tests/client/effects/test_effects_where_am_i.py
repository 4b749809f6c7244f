"""`whoami`, `status`, `roles`, `renew` and `logout`, tested by their output on a real machine."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine

ANN = f"arn:aws:iam::{ACCOUNT}:user/ann"
DEPLOY = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"


@pytest.fixture
def deploy(machine: Machine) -> Machine:
    """Return a machine with two profiles of Daypass and an empty cache."""
    for name in ("deploy", "other"):
        machine.good(
            "profile", "add", name, "--role", f"{ROLE}deploy", "--source-profile", "ann", "--session-name", name
        )
    return machine


def _lines(text: str) -> dict[str, str]:
    """Return the lines of `whoami` by their labels."""
    pairs = (re.split(r" {2,}", line.strip(), maxsplit=1) for line in text.splitlines())
    return {name: said for name, said in pairs}  # noqa: C416 - each is a list of two


def test_whoami_says_who_with_which_key_from_where_and_until_when(machine: Machine) -> None:
    """Long-term keys are shown as such; the endpoint is named."""
    said = _lines(machine.good("whoami", "--profile", "ann").out)
    key_id = machine.credentials.read_text().split("aws_access_key_id = ")[1].split()[0]
    assert said == {
        "You are": ANN,
        "account": ACCOUNT,
        "user id": said["user id"],
        "with the key": key_id,
        "from": "profile ann: keys in the credentials file",
        "at": machine.server.url,
        "until": "the key is deleted",
    }
    assert said["user id"].startswith("AIDA")


@pytest.mark.slow
def test_whoami_knows_when_a_session_ends_and_what_it_shadows(deploy: Machine) -> None:
    """The session of a process has its expiry; --profile overrides the keys of the environment."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    done = deploy.good("whoami", "--profile", "deploy", "--output", "json", **keys).json
    assert done["Arn"].startswith(DEPLOY)
    assert done["From"] == "profile deploy: credential_process"
    assert done["Shadowed"] == ["AWS_ACCESS_KEY_ID in the environment, overridden by --profile deploy"]
    left = datetime.fromisoformat(done["Expires"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=1, minutes=1)
    said = _lines(deploy.good("whoami", AWS_PROFILE="deploy").out)
    assert said["until"].startswith(done["Expires"])
    assert re.search(r"\((59 min|1 h) left\)$", said["until"]), said["until"]


def test_whoami_names_the_place_of_keys_that_are_refused(machine: Machine) -> None:
    """The message names the source of the key and the sources that it overrides."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    done = machine.daypass("whoami", AWS_PROFILE="ann", **keys)
    assert (done.code, done.out) == (4, ""), done
    assert "The key is from AWS_ACCESS_KEY_ID in the environment, which overrides profile ann" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "where"),
    [
        ("role_arn = {role}deploy\nsource_profile = ann", "role_arn with a source"),
        ("credential_process = daypass credential-process --profile deploy", "credential_process"),
    ],
)
def test_whoami_names_each_kind_of_place(deploy: Machine, setting: str, where: str) -> None:
    """The text is one that a person finds again in the file."""
    with deploy.config.open("a") as config:
        config.write(f"[profile p]\nendpoint_url = {deploy.server.url}\nregion = eu-west-1\n")
        config.write(setting.format(role=ROLE) + "\n")
    done = deploy.good("whoami", "--output", "json", "--query", "[Arn, From]", AWS_PROFILE="p").json
    assert done[0].startswith(DEPLOY)
    assert done[1] == f"profile p: {where}"


@pytest.mark.slow
def test_status_lists_what_is_kept_and_logout_forgets_it(deploy: Machine) -> None:
    """`renew --all` refreshes every profile; `logout` deletes the named ones' sessions, and profiles stay."""
    assert deploy.daypass("status").err == "No cached sessions. Run `daypass login` or `daypass assume`.\n"
    renewed = deploy.good("renew", "--all").out.splitlines()
    assert [line.partition(":")[0] for line in renewed] == ["deploy", "other"]
    assert f"{DEPLOY}other, valid for " in renewed[1]
    rows = deploy.good("status", "other", "--output", "json").json
    assert [(row["Profile"], row["Arn"], row["Endpoint"]) for row in rows] == [
        ("other", f"{DEPLOY}other", deploy.server.url)
    ]
    assert re.fullmatch(r"59 min|1 h", rows[0]["Left"])
    assert deploy.daypass("status", "--check").code == 0
    assert re.fullmatch(r"Deleted 1 cached session.*\.\n", deploy.good("logout", "other").err)
    assert deploy.daypass("status", "--check", "other").code == 3
    check = deploy.daypass("status", "--check", "deploy")
    assert (check.code, check.out, check.err) == (0, "", "")
    assert "[profile other]" in deploy.config.read_text()
    assert re.fullmatch(r"Deleted 1 cached session.*\.\n", deploy.good("logout", "--all").err)
    assert deploy.good("status", "--output", "json").json == []


def _backdate(machine: Machine) -> None:
    for path in (machine.home / ".cache/daypass/credentials").glob("*.json"):
        kept = json.loads(path.read_text())
        kept["credentials"]["Expiration"] = "2020-01-01T00:00:00Z"
        path.write_text(json.dumps(kept))


@pytest.mark.slow
def test_status_tells_an_expired_session_from_none(deploy: Machine) -> None:
    """5 for an expired session, 3 if one of several is missing; `renew` gets another."""
    deploy.good("renew", "deploy")
    _backdate(deploy)
    assert deploy.daypass("status", "--check", "deploy").code == 5
    assert deploy.daypass("status", "--check", "deploy", "other").code == 3
    assert deploy.good("status", "--output", "json", "--query", "[].Left").json == ["expired"]
    deploy.good("renew", "deploy", "--no-input")
    assert deploy.daypass("status", "--check", "deploy").code == 0


def test_what_cannot_be_is_said_with_the_next_step(deploy: Machine) -> None:
    """One sentence, and no standard output."""
    cases: tuple[tuple[tuple[str, ...], int, str], ...] = (
        (("renew",), 2, "Known profiles: deploy, other"),
        (("renew", "ann"), 2, "does not get credentials from Daypass"),
        (("renew", "nobody"), 6, "daypass profile add"),
        (("logout",), 2, "--all"),
        (("logout", "nobody"), 6, "does not exist"),
        (("status", "--check", "nobody"), 6, "does not exist"),
        (("whoami", "--profile", "nobody"), 6, "does not exist"),
    )
    for words, code, help_words in cases:
        done = deploy.daypass(*words)
        assert (done.code, done.out, len(done.err.splitlines())) == (code, "", 1), done
        assert help_words in done.err


def test_roles_are_those_of_profiles_and_of_the_account(deploy: Machine, tmp_path: Path) -> None:
    """Each role has its source; a file that is not an assertion is rejected."""
    assert deploy.good("roles").out.splitlines() == [
        f"{ROLE}deploy  profile deploy",
        f"{ROLE}deploy  profile other",
    ]
    rows = deploy.good("roles", "--in-account", "--profile", "ann", "--output", "json").json
    assert {"Arn": f"{ROLE}second", "From": "the account"} in rows
    assert {"Arn": f"{ROLE}deploy", "From": "profile deploy"} in rows
    junk = tmp_path / "junk"
    junk.write_text("nothing")
    assert deploy.daypass("roles", "--assertion-file", str(junk)).code == 5
