"""`daypass audit find|verify`, from events of a real server."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.documents import allow, document

from daypass.audit.event import Event
from daypass.audit.lines import to_line
from daypass.audit.story.tracer import Question, Tracer
from daypass.audit.user_identity import SessionContext, UserIdentity
from daypass.cli.operators.audit import command
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

_TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:*"}]}
)
_DOCS = Path(__file__).parents[2] / "docs" / "audit.md"


@pytest.fixture
def keys(iam: Any, as_caller: ClientFactory, account: str) -> list[dict[str, str]]:
    """Return a long-term key, a session, and a session that was issued from it.

    The first session makes two calls.
    """
    iam.create_user(UserName="ada")
    iam.put_user_policy(UserName="ada", PolicyName="all", PolicyDocument=document(allow("*")))
    iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=_TRUST)
    iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=document(allow("sts:*")))
    arn, found = f"arn:aws:iam::{account}:role/deploy", [iam.create_access_key(UserName="ada")["AccessKey"]]
    for name in ("one", "two"):
        answer = as_caller("sts", found[-1]).assume_role(RoleArn=arn, RoleSessionName=name)
        found.append(answer["Credentials"])
    with pytest.raises(iam.exceptions.ClientError):
        as_caller("iam", found[1]).list_users()
    iam.delete_access_key(UserName="ada", AccessKeyId=found[0]["AccessKeyId"])
    return found


@pytest.fixture
def log(server: RunningServer, keys: list[dict[str, str]], tmp_path: Path) -> Path:
    """Write the events into a log with a rotated file and a line of another program."""
    lines = [to_line(record, f"event-{number}") for number, record in enumerate(server.audit.audit_records)]
    half = len(lines) // 2
    (tmp_path / "audit.jsonl.1.gz").write_bytes(gzip.compress(b"".join(lines[:half])))
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"other ada program deploy\n" + b"".join(lines[half:]))
    return path


def _run(*words: str) -> Result:
    return CliRunner().invoke(command, words)


def _find(log: Path, *words: str) -> dict[str, Any]:
    logs = [word for file in (f"{log}.1.gz", str(log)) for word in ("--log", file)]
    result = _run("find", *words, *logs, "--output", "json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_key_leads_to_its_person_and_to_what_was_issued_from_it(
    log: Path, keys: list[dict[str, str]], account: str
) -> None:
    """The story of the middle key has its issue, its calls, the key before it and the key after it."""
    long_term, middle, last = [each["AccessKeyId"] for each in keys]
    story = _find(log, "--key", middle)
    told = {each["AccessKeyId"]: each for each in story["Keys"]}
    assert story["Asked"] == [middle]
    assert {long_term, middle, last} < set(told)  # and the root key, which created the first
    assert told[middle]["Role"] == f"arn:aws:iam::{account}:role/deploy"
    assert told[middle]["Caller"] == f"arn:aws:iam::{account}:user/ada"
    assert told[middle]["IssuedFrom"] == [long_term]
    assert told[middle]["Usage"]["Actions"] == {"sts:AssumeRole": 1, "iam:ListUsers": 1}
    assert told[middle]["Usage"]["Errors"] == {"AccessDenied": 1}
    assert told[middle]["IssuedKeys"] == [last]
    assert told[last]["IssuedFrom"] == [long_term, middle]
    assert [each["Event"] for each in told[long_term]["Issued"]] == ["CreateAccessKey"]
    assert [each["Event"] for each in told[long_term]["Revoked"]] == ["DeleteAccessKey"]


def test_a_key_is_found_before_its_first_use(log: Path, keys: list[dict[str, str]]) -> None:
    """The last key was never used, and its chain is told."""
    text = _run("find", "--key", keys[2]["AccessKeyId"], "--log", str(log), "--log", f"{log}.1.gz").output
    assert f"from      {keys[0]['AccessKeyId']} > {keys[1]['AccessKeyId']}" in text
    assert "used      not in these files" in text
    assert "revoked" in text


@pytest.mark.parametrize("words", [("--person", "ada"), ("--role", "deploy")])
def test_a_person_and_a_role_lead_to_their_keys(log: Path, keys: list[dict[str, str]], words: tuple[str, str]) -> None:
    """The person has all keys that came from theirs, the role its sessions."""
    story = _find(log, *words)
    told = {each["AccessKeyId"] for each in story["Keys"]}
    assert {each["AccessKeyId"] for each in keys} <= told
    assert story["OtherLines"] == 1
    assert _find(log, *words, "--until", "2020-01-01")["Asked"] == []


def test_lines_of_an_older_server_are_read(tmp_path: Path) -> None:
    """They do not name issued keys, and have the calls of a key."""
    old = {
        "eventVersion": "1.11",
        "eventTime": "2026-01-01T00:00:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": "GetCallerIdentity",
        "sourceIPAddress": "192.0.2.1",
        "userIdentity": {"type": "AssumedRole", "accessKeyId": "ASIAOLD", "sessionContext": {"sourceIdentity": "x"}},
    }
    path = tmp_path / "audit.jsonl"
    path.write_text(json.dumps(old) + "\n")
    result = _run("find", "--key", "ASIAOLD", "--log", str(path))
    assert "issued    not in these files" in result.output
    assert "1 call" in result.output


def test_long_chains_are_found_in_a_log_in_any_order() -> None:
    """Each pass finds one more step, and other keys are left out."""
    lines = [
        json.dumps(
            {
                "eventTime": f"2026-01-01T00:00:{number:02}Z",
                "eventName": "AssumeRole",
                "userIdentity": {"accessKeyId": f"ASIA{number}"},
                "responseElements": {"credentials": {"accessKeyId": f"ASIA{number + 1}"}},
            }
        ).encode()
        for number in range(12)
    ]
    for block in (b"\n".join(lines), b"\n".join(reversed(lines))):
        story = Tracer(Question(key="ASIA6")).trace(lambda block=block: [block])  # type: ignore[misc]
        assert {each.access_key_id for each in story.keys} == {f"ASIA{number}" for number in range(13)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("find",), "Use exactly one of"),
        (("find", "--key", "A", "--since", "yesterday"), "2026-11-30"),
        (("find", "--key", "A", "--log", "/nowhere"), "does not exist"),
        (("verify", "/nowhere"), "does not exist"),
        (("verify", "--expect", "abc", str(_DOCS)), "is not a digest"),
    ],
)
def test_a_mistake_is_explained(words: tuple[str, ...], says: str) -> None:
    """No traceback, and the way out."""
    result = _run(*words)
    assert result.exit_code in {2, 6}
    assert says in result.output


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """A gzip file that ends early."""
    path = tmp_path / "audit.jsonl.1.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n' * 1000)[:-12])
    result = _run("find", "--key", "A", "--log", str(path))
    assert result.exit_code == 6
    assert "cannot be read" in result.output


def test_the_reference_names_every_field() -> None:
    """Each member of an event, a caller and a session context is in docs/audit.md."""
    text = _DOCS.read_text(encoding="utf-8")
    fields = {name for kind in (Event, UserIdentity, SessionContext) for name in kind.__struct_encode_fields__}
    missing = {name for name in fields if f"`{name}`" not in text}
    assert not missing
