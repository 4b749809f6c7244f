"""`daypass apply` and `daypass export` as processes, as an operator runs them."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.apply.directory import ACCOUNT, allow, one_account, trust
from tests.process.daypass import BIN, ROOT, run, serving

from daypass.cli.main import cli

KEY = "AKIAIOSFODNN7EXAMPLF"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return the URL of a store that does not exist yet."""
    return f"sqlite:///{tmp_path / 'd.db'}"


def written(path: Path, text: str) -> str:
    """Write a file and return its name."""
    path.write_text(text)
    return str(path)


@pytest.mark.slow
def test_a_live_servers_next_request_sees_what_was_applied(store: str, tmp_path: Path) -> None:
    """Users, keys from a secrets directory and roles are usable without a restart."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "alice").write_text("the-secret-of-alice\n")
    (tmp_path / "secrets" / "alice").chmod(0o600)
    file = written(
        tmp_path / "a.json",
        one_account(
            users={
                "alice": {
                    "accessKeys": {KEY: {"secretAccessKey": {"secret": "alice"}}},
                    "inline": {"assume": allow("sts:AssumeRole")},
                }
            },
            roles={"deploy": {"trust": trust(AWS=f"arn:aws:iam::{ACCOUNT}:user/alice")}},
        ),
    )
    with serving(store) as server:
        server.client("sts").get_caller_identity()
        done = run("apply", file, "--secrets-dir", str(tmp_path / "secrets"), "--output", "json", "--store", store)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["Summary"] == {"Create": 2, "Change": 0, "Delete": 0, "LeftAlone": 0}
        sts = server.client("sts", {"AccessKeyId": KEY, "SecretAccessKey": "the-secret-of-alice"})
        role = f"arn:aws:iam::{ACCOUNT}:role/deploy"
        assert sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]["AccessKeyId"].startswith("ASIA")
    events = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    made = next(event for event in events if event["eventName"] == "CreateRole")
    assert made["userAgent"].startswith("daypass apply by ")
    assert "the-secret-of-alice" not in (tmp_path / "audit.jsonl").read_text() + done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("version: 1\naccounts: {}\nusers: {}\n", 2, "users (line 3, column 8)"),
        (one_account(users={"a": {"policies": ["arn:aws:iam::aws:policy/No"]}}), 4, "NoSuchEntity"),
    ],
)
def test_a_file_that_cannot_be_applied_says_where(store: str, tmp_path: Path, text: str, code: int, says: str) -> None:
    """The exit code is 2 for an invalid format, 4 for a refusal by the rules.

    The store is unchanged, without a traceback.
    """
    done = run("apply", written(tmp_path / "a.yaml", text), "--store", store)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert "No changes were made" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_two_applies_at_once_make_things_once(store: str, tmp_path: Path) -> None:
    """The second apply makes its plan again after the first; both succeed."""
    assert run("account", "create", "--id", ACCOUNT, "--store", store).returncode == 0
    file = written(tmp_path / "a.json", one_account(users={f"u{n}": {"tags": {"n": str(n)}} for n in range(150)}))
    both = [
        subprocess.Popen(
            [str(BIN), "apply", file, "--output", "json", "--store", store], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted(json.loads(output)["Summary"]["Create"] for output in outputs) == [0, 150]


def test_a_plan_is_printed_and_nothing_is_done(store: str, tmp_path: Path) -> None:
    """--dry-run prints the plan with its summary."""
    file = written(tmp_path / "a.json", one_account(users={"alice": {}}))
    done = run("apply", file, "--dry-run", "--store", store)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "Plan: 2 to create, 0 to change, 0 to delete."
    assert "  + user alice" in done.stdout
    assert json.loads(run("account", "list", "--output", "json", "--store", store).stdout) == {"Accounts": []}


@pytest.mark.slow
def test_export_is_what_apply_takes(store: str, tmp_path: Path) -> None:
    """Applied to its own store, an export makes no changes, and it contains no secret."""
    with serving(store, environment=ROOT) as server:
        server.client("iam").create_user(UserName="alice")
        key = server.client("iam").create_access_key(UserName="alice")["AccessKey"]
    exported = run("export", "--access-keys", "--store", store)
    assert exported.returncode == 0
    assert key["AccessKeyId"] in exported.stdout
    assert key["SecretAccessKey"] not in exported.stdout
    file = written(tmp_path / "e.yaml", exported.stdout)
    applied = run("apply", file, "--store", store)
    assert applied.stdout.startswith("No changes")
    assert run("export", "--account", "999999999999", "--store", store).returncode == 6


def test_the_root_key_of_a_new_account_comes_with_its_endpoints(store: str, tmp_path: Path) -> None:
    """Without them every AWS tool would send the key's requests to AWS."""
    file = written(tmp_path / "a.json", one_account())
    done = CliRunner().invoke(cli, ["apply", file, "--store", store])
    assert done.exit_code == 0, done.output
    assert f"[services daypass-root-{ACCOUNT}]" in done.stdout
    assert "endpoint_url = http://127.0.0.1:7878" in done.stdout


@pytest.mark.slow
def test_a_large_file_says_what_was_committed(store: str, tmp_path: Path) -> None:
    """A refusal in a later batch leaves the batches before it; the keys of new accounts are printed even so."""
    fields = {"trust": trust(AWS=ACCOUNT)}
    roles = {f"r{at}": fields for at in range(1_000)}
    broken = {**roles, "r0": {**fields, "boundary": "arn:aws:iam::222233334444:policy/none"}}
    done = run("apply", written(tmp_path / "broken.json", one_account(roles=broken)), "--store", store)
    assert done.returncode == 4
    assert "of 1,001 changes were made before, in complete batches, and remain" in done.stderr
    assert "Run the command again" in done.stderr
    assert "No changes were made" not in done.stderr
    assert "aws_access_key_id" in done.stdout
    again = run(
        "apply", written(tmp_path / "good.json", one_account(roles=roles)), "--output", "json", "--store", store
    )
    assert again.returncode == 0, again.stderr
    assert 0 < json.loads(again.stdout)["Summary"]["Create"] < 1_000
    same = run("apply", str(tmp_path / "good.json"), "--store", store)
    assert "No changes" in same.stdout
