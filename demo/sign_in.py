"""The part of the demonstration in which a person signs in, with the tools that people have already.

It starts `daypass dev`. Where AWS CLI 2.32 or later is on the PATH, `aws login` signs in, unmodified; otherwise boto3's
SSO provider does, which every tool on top of boto3 uses.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from demo.person import Person
from demo.stage import DemoError, indent, say, shorten

_BIN = Path(sys.executable).parent
_REPOSITORY = Path(__file__).parents[1]
_ROLE, _ACCOUNT = "Developer", "111122223333"
_WITH_LOGIN = (2, 32)
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class Demonstration:
    """A running `daypass dev`, and a home directory for people's tools."""

    url: str
    home: Path

    def environment(self) -> dict[str, str]:
        """Return the environment of a person's tools: the address, and no credentials."""
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.home),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",  # boto3 reads this name
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
        }


def a_person_signs_in() -> None:
    """Sign in once, and use a role of the person without any program of ours."""
    with _demonstration() as demonstration:
        command = _find_aws_login()
        if command:
            _with_aws_login(demonstration, command)
        else:
            _with_boto3(demonstration)


@contextmanager
def _demonstration() -> Iterator[Demonstration]:
    home = Path(tempfile.mkdtemp(prefix="daypass-demo-"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DAYPASS_"))}
    print("\n  $ daypass dev")
    words = [str(_BIN / "daypass"), "dev", "--port", "0", "--provider-port", "0"]
    process = subprocess.Popen(words, env=environment, cwd=home, stdout=subprocess.PIPE, text=True)
    try:
        url = ""
        for line in process.stdout or ():
            if line.startswith(("DEMO", "Sign in")):
                print(indent(line.rstrip()))
            found = re.match(r"Sign in at (\S+)/login", line)
            url = found[1] if found else url
            if line.startswith("The store is"):
                break
        if not url:
            raise DemoError("daypass dev did not start")
        yield Demonstration(url, home)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(home)


def _find_aws_login() -> str:
    """Return the path of an AWS CLI with `aws login`, or ""."""
    places = [place for place in os.environ.get("PATH", "").split(os.pathsep) if Path(place) != _BIN]
    found = shutil.which("aws", path=os.pathsep.join(places))
    if found is None:
        return ""
    told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    version = re.match(r"aws-cli/(\d+)\.(\d+)", told)
    return found if version and (int(version[1]), int(version[2])) >= _WITH_LOGIN else ""


def _with_aws_login(demonstration: Demonstration, command: str) -> None:
    say("a person signs in with the unmodified AWS CLI v2; the browser approves one role")
    person = f"env PYTHONPATH={_REPOSITORY} {sys.executable} -m demo.person %s {_ROLE} &"
    _aws(demonstration, command, "login", BROWSER=person)
    arn = _aws(demonstration, command, "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
    _require_role(arn)


def _aws(demonstration: Demonstration, command: str, *words: str, **more: str) -> str:
    print(f"\n  $ aws {' '.join(words)}")
    done = subprocess.run(
        [command, *words],
        env=demonstration.environment() | more,
        cwd=demonstration.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    print(indent("\n".join(shorten(line) for line in done.stdout.strip().splitlines())))
    if done.returncode:
        raise DemoError(f"aws {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout.strip()


def _with_boto3(demonstration: Demonstration) -> None:
    say("a person signs in for boto3's SSO provider (AWS CLI 2.32 or later is not on the PATH)")
    client = boto3.client(
        "sso-oidc",
        endpoint_url=demonstration.url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    start = f"{demonstration.url}/start"
    program = client.register_client(clientName="demo", clientType="public", scopes=["sso:account:access"])
    names = {"clientId": program["clientId"], "clientSecret": program["clientSecret"]}
    device = client.start_device_authorization(**names, startUrl=start)
    print(indent(f"The program shows the code {device['userCode']} and opens {device['verificationUri']}"))
    person = Person()
    person.open(device["verificationUriComplete"])
    person.sign_in()
    person.click("Continue")
    person.click("Approve sign-in")
    print(indent(f"The browser: {person.title}"))
    token = client.create_token(**names, grantType=_GRANT, deviceCode=device["deviceCode"])
    arn = _as_every_tool(demonstration, start, {**token, **names})
    print(f'\n  >>> boto3.Session(profile_name="dev").client("sts").get_caller_identity()["Arn"]\n{indent(arn)}')
    _require_role(arn)


def _as_every_tool(demonstration: Demonstration, start: str, token: dict[str, Any]) -> str:
    """Write profile and cached token as the AWS CLI does, and ask who it is with another process."""
    cache = demonstration.home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    (demonstration.home / ".aws" / "config").write_text(
        f"[profile dev]\nsso_session = dev\nsso_account_id = {_ACCOUNT}\nsso_role_name = {_ROLE}\n"
        f"[sso-session dev]\nsso_start_url = {start}\nsso_region = us-east-1\n",
        encoding="utf-8",
    )
    kept = {
        "startUrl": start,
        "region": "us-east-1",
        "accessToken": token["accessToken"],
        "expiresAt": "2099-01-01T00:00:00Z",
    }
    name = sha1(b"dev", usedforsecurity=False).hexdigest()  # the AWS CLI's name for the file
    (cache / f"{name}.json").write_text(json.dumps(kept), encoding="utf-8")
    ask = 'import boto3; print(boto3.Session(profile_name="dev").client("sts").get_caller_identity()["Arn"])'
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env=demonstration.environment(),
        cwd=demonstration.home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"boto3 did not get credentials:\n{done.stderr}")
    return done.stdout.strip()


def _require_role(arn: str) -> None:
    if f":assumed-role/{_ROLE}/" not in arn:
        raise DemoError(f"expected a session of {_ROLE}, not {arn}")
