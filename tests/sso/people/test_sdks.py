"""SDKs with the profile of docs/sign-in.md: they take the stored tokens, refresh them, and get credentials."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import html
from tests.components import node_packages
from tests.process.daypass import clean_environment
from tests.sso.people.conftest import ACCOUNT, Scene
from tests.sso.people.person import signed_in, token_file, write_profile, write_tokens
from tests.web_identity.node import run_script

ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice"
# It waits for a line before it calls, so that several programs call together.
_BOTO3 = "import boto3; sts = boto3.client('sts'); input('ready\\n'); print(sts.get_caller_identity()['Arn'])"


def stored(scene: Scene, home: Path, *, seconds: float) -> dict[str, str]:
    """Write profile and tokens into a home directory, and return the stored tokens."""
    program, tokens = signed_in(scene.person())
    write_profile(home, scene.url, account=ACCOUNT, role="developer")
    write_tokens(home, program, tokens, seconds=seconds)
    before: dict[str, str] = json.loads(token_file(home).read_text())
    return before


def run_boto3(*homes: Path, profile: str = "dev") -> list[tuple[str, str]]:
    """Start a program for each home, which asks who it is with boto3, and return output and errors of each."""
    programs = [_start(home, profile) for home in homes]
    for program in programs:
        assert program.stdout is not None
        program.stdout.readline()
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    ended = [program.communicate(timeout=60) for program in programs]
    return [(output.strip(), errors) for output, errors in ended]


def _start(home: Path, profile: str) -> "subprocess.Popen[str]":
    environment = clean_environment({"HOME": str(home), "AWS_PROFILE": profile, "AWS_EC2_METADATA_DISABLED": "true"})
    return subprocess.Popen(
        [sys.executable, "-c", _BOTO3],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [3_600, 60, -60])
def test_boto3_uses_and_refreshes_the_tokens(scene: Scene, tmp_path: Path, seconds: float) -> None:
    """It refreshes a token that has expired, or that lasts for less than a quarter of an hour."""
    before = stored(scene, tmp_path, seconds=seconds)
    [(output, errors)] = run_boto3(tmp_path)
    assert output == ARN, errors
    after = json.loads(token_file(tmp_path).read_text())
    changed = {name for name in before if before[name] != after[name]}
    assert changed == (set() if seconds > 900 else {"accessToken", "refreshToken", "expiresAt"})


@pytest.mark.slow
def test_boto3_takes_the_profile_on_the_page_of_credentials(scene: Scene, tmp_path: Path) -> None:
    """A person copies it from the portal, without changing it."""
    person = scene.person()
    program, tokens = signed_in(person)
    choice = {"Role": f"{scene.pairs[0].replace(',', ' ')} 3600"}
    page = person.browser.send(f"{scene.url}/roles/credentials", choice, Origin=scene.url)
    text = next(pre.text or "" for pre in html.fromstring(page.text).iter("pre") if "sso_session" in (pre.text or ""))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(text)
    session = text.partition("sso_session = ")[2].partition("\n")[0]
    write_tokens(tmp_path, program, tokens, seconds=-60, session=session)
    [(output, errors)] = run_boto3(tmp_path, profile="developer")
    assert output == ARN, errors


@pytest.mark.slow
def test_eight_programs_refresh_at_once(scene: Scene, tmp_path: Path) -> None:
    """Each gets credentials, and its tokens are good for the next call.

    Each program has its own copy of the file: SDKs write it in place, so that another one may read half of it.
    """
    homes = [tmp_path / str(number) for number in range(8)]
    stored(scene, homes[0], seconds=-60)
    for home in homes[1:]:
        shutil.copytree(homes[0], home)
    for _ in range(2):
        for output, errors in run_boto3(*homes):
            assert output == ARN, errors
    assert len({json.loads(token_file(home).read_text())["refreshToken"] for home in homes}) == 1


@pytest.mark.component("node")
@pytest.mark.parametrize("seconds", [3_600, -60])
def test_the_javascript_sdk_uses_and_refreshes_the_tokens(scene: Scene, tmp_path: Path, seconds: float) -> None:
    """With fromSSO, and in the default chain."""
    stored(scene, tmp_path, seconds=seconds)
    done = run_script(
        Path(__file__).with_name("from_sso.mjs"),
        node_packages(),
        tmp_path,
        AWS_PROFILE="dev",
        AWS_EC2_METADATA_DISABLED="true",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"fromSSO": ARN, "fromNodeProviderChain": ARN, "default": ARN}
