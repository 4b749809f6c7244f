"""A person's machine: a home of their own, a real server, and the command as they type it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.documents import allow, document

from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer

BIN = Path(sys.executable).parent
# The directory of another `daypass` to test: `.ci/test-client` names an installation of the client alone.
CLIENT = os.environ.get("DAYPASS_TEST_CLIENT", str(BIN))
ACCOUNT = "123456789012"
ANYTHING = document(allow("*"))


def trusting(principal: str, *actions: str, **more: Any) -> str:
    """Return a trust policy."""
    actions = actions or ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions), **more}
    return document(statement)


@dataclass(frozen=True)
class Done:
    """The result of a program."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, parsed as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Machine:
    """A person's machine. `profile` is the profile that commands use, or None for the default."""

    home: Path
    server: RunningServer
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every program on the machine."""
        kept = {name: value for name, value in os.environ.items() if not re.match("(AWS|DAYPASS|XDG)_", name)}
        mine = {
            "HOME": str(self.home),
            "PATH": f"{CLIENT}:{BIN}:{os.environ['PATH']}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return {**kept, **mine, **self.more}

    @property
    def config(self) -> Path:
        """The file with the profiles."""
        return self.home / ".aws/config"

    @property
    def credentials(self) -> Path:
        """The file with the keys."""
        return self.home / ".aws/credentials"

    def run(self, *words: str, stdin: str = "", **environment: str) -> Done:
        """Run a program until it ends."""
        done = subprocess.run(
            words,
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            start_new_session=True,  # nobody sits at a terminal here; terminals are test_terminal.py's
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def daypass(self, *words: str, stdin: str = "", **environment: str) -> Done:
        """Run daypass."""
        return self.run("daypass", *words, stdin=stdin, **environment)

    def good(self, *words: str, stdin: str = "", **environment: str) -> Done:
        """Run daypass and check that it succeeds."""
        done = self.daypass(*words, stdin=stdin, **environment)
        assert done.code == 0, done
        return done

    def add_keys(self, name: str, key: Any) -> None:
        """Add a profile with keys."""
        self.config.parent.mkdir(exist_ok=True)
        places = f"region = eu-west-1\nendpoint_url = {self.server.url}\n"
        keys = f"aws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
        with self.config.open("a") as config, self.credentials.open("a") as credentials:
            config.write(f"[profile {name}]\n{places}\n")
            credentials.write(f"[{name}]\n{keys}\n")

    @property
    def iam(self) -> Any:
        """Return a client of the root user."""
        return client_factory(self.server)("iam")


def prepared(home: Path, server: RunningServer) -> Machine:
    """Return a machine whose profile `ann` is a user with full permissions, and roles to assume."""
    home.mkdir()
    machine = Machine(home, server)
    iam = machine.iam
    if not iam.list_users()["Users"]:
        iam.create_user(UserName="ann")
        iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=ANYTHING)
        iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trusting(f"arn:aws:iam::{ACCOUNT}:root"))
        iam.put_role_policy(RoleName="deploy", PolicyName="p", PolicyDocument=ANYTHING)
        deploy = f"arn:aws:iam::{ACCOUNT}:role/deploy"
        iam.create_role(RoleName="second", AssumeRolePolicyDocument=trusting(deploy))
    for key in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    machine.add_keys("ann", iam.create_access_key(UserName="ann")["AccessKey"])
    return machine
