"""The stage of the demonstration: a server on a scratch store, and the AWS CLI that speaks to it.

Owns the processes and the scratch directory; all of it is gone at the end, whatever happens. What is played is
demo.py's.
"""

import gzip
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore

_BIN = Path(sys.executable).parent
_MODELS = Path(botocore.__file__).parent / "data"
_PATIENCE = 30.0  # seconds for the server to be ready, and to stop
_UNAVAILABLE = 500
# By default the AWS CLI fetches every parameter that is a URL, and signs URLs with version 2, which S3 no longer takes.
_CLI_CONFIG = "[default]\ncli_follow_urlparam = false\ns3 =\n    signature_version = s3v4\n"
_WIDTH = 100


class DemoError(Exception):
    """Something did not do what it should. The message says what."""


@dataclass(slots=True)
class Stage:
    """A running server, and whose credentials the next commands use.

    `s3` is the URL of the gateway while it runs.
    """

    url: str
    folder: Path
    root: dict[str, str]
    who: Mapping[str, str] = field(default_factory=dict)
    s3: str = ""

    def become(self, credentials: Mapping[str, Any]) -> None:
        """Use these credentials from now on: an AccessKey or a Credentials member of an answer."""
        self.who = {
            "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": credentials.get("SessionToken", ""),
        }

    def become_nobody(self) -> None:
        """Use no credentials at all."""
        self.who = {}

    def become_workload(self, role_arn: str, token: Path) -> None:
        """Let the SDK trade a token file for a role by itself, as in a Kubernetes pod."""
        self.who = {"AWS_ROLE_ARN": role_arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}

    def daypass(self, *words: str, store: Path) -> Any:
        """Run an operator's command on the store, beside the live server, and return what it prints."""
        print(f"\n  $ daypass {shorten(shlex.join(words))}")
        done = subprocess.run(
            [str(_BIN / "daypass"), *words, "--output", "json", "--store", f"sqlite:///{store}"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"daypass {shlex.join(words)} ended with {done.returncode}:\n{done.stderr}")
        print(indent("(the output is hidden, because it can contain secrets)"))
        return json.loads(done.stdout)

    def aws(self, *words: str, fails: str = "", shows: str = "", quiet: bool = False) -> Any:
        """Run `aws …`, print the command and its answer, and return the answer, parsed.

        With `fails` the command must be refused with that text; with `shows` the answer must hold that text.
        """
        print(f"\n  $ aws {shorten(shlex.join(words))}")
        done = subprocess.run(
            [str(_BIN / "aws"), *words],
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = (done.stderr if fails else done.stdout).strip()
        print(indent("(the output is hidden, because it can contain secrets)" if quiet else said or "(no output)"))
        if (done.returncode != 0) is not bool(fails):
            raise DemoError(f"aws {shlex.join(words)} ended with {done.returncode}:\n{done.stderr}")
        if fails not in said or shows not in said:
            raise DemoError(f"aws {shlex.join(words)}: expected {fails or shows!r} in:\n{said}")
        return json.loads(done.stdout) if done.stdout.strip().startswith("{") else done.stdout.strip()

    def denial_of(self, *words: str) -> str:
        """Run a command that is refused, and return the encoded message of its answer's header."""
        done = subprocess.run(
            [str(_BIN / "aws"), *words, "--debug"],
            env=self._environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        found = re.search(r"'x-daypass-authorization-message': '([^']+)'", done.stderr)
        if found is None:
            raise DemoError(f"aws {shlex.join(words)}: no encoded message beside the refusal")
        return found[1]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_PAGER": "",
            **({"AWS_ENDPOINT_URL_S3": self.s3} if self.s3 else {}),
            **{name: value for name, value in self.who.items() if value},
        }


def shorten(text: str) -> str:
    """Return a command on one line that fits a screen."""
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def indent(text: str) -> str:
    """Return an answer, indented, with long lines folded: a refusal's reason stands at its end."""
    folded = (textwrap.wrap(line, _WIDTH, subsequent_indent="  ", drop_whitespace=False) for line in text.splitlines())
    return "\n".join("    " + line for lines in folded for line in lines or [""])


def say(text: str) -> None:
    """Print what comes next."""
    print(f"\n— {text}")


@contextmanager
def set_stage(settings: Mapping[str, str]) -> Iterator[Stage]:
    """Start a server on an empty store in a scratch directory; stop it and remove everything at the end.

    `settings` are further environment variables of the server.
    """
    folder = Path(tempfile.mkdtemp(prefix="daypass-demo-"))
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DAYPASS_"))}
    environment["DAYPASS_DRAIN_SECONDS"] = "0"
    server = subprocess.Popen(
        [str(_BIN / "daypass"), "serve", "--port", str(port), "--store", f"sqlite:///{folder / 'daypass.db'}"],
        env=environment | dict(settings),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "server.log").open("wb"),
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(f"{url}/readyz", server, folder / "server.log")
        (folder / ".aws").mkdir()
        (folder / ".aws" / "config").write_text(_CLI_CONFIG)
        _add_model(folder / ".aws")
        stage = Stage(url, folder, _first_key(folder))
        stage.become(stage.root)
        yield stage
    finally:
        server.terminate()
        server.wait(_PATIENCE)
        shutil.rmtree(folder)


def _add_model(folder: Path) -> None:
    """Give the AWS CLI the newest model of STS, where `aws configure add-model` writes it.

    The CLI on PyPI may be older than botocore, and not know every operation.
    """
    name = Path("sts", "2011-06-15", "service-2.json")
    target = folder / "models" / name
    target.parent.mkdir(parents=True)
    target.write_bytes(gzip.decompress((_MODELS / name).with_suffix(".json.gz").read_bytes()))


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a GET of `url` is answered, even with an error. Raises DemoError with the log."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own address
                return
        except urllib.error.HTTPError as answer:
            if answer.code < _UNAVAILABLE:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise DemoError("a program did not start:\n" + log.read_text(errors="replace")[-4000:])


def _first_key(folder: Path) -> dict[str, str]:
    """Read the root key that the first start left in a file of mode 0600."""
    [file] = folder.glob("daypass-root-*.ini")
    pairs = dict(line.split(" = ", 1) for line in file.read_text().splitlines() if " = " in line)
    return {"AccessKeyId": pairs["aws_access_key_id"], "SecretAccessKey": pairs["aws_secret_access_key"]}
