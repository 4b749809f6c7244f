"""`daypass` as a separate process, as an operator starts it."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from tests.sockets import free_port

BIN = Path(sys.executable).parent / "daypass"
ROOT: Mapping[str, str] = {
    "DAYPASS_ROOT_ACCOUNT_ID": "123456789012",
    "DAYPASS_ROOT_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "DAYPASS_ROOT_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


@dataclass(frozen=True)
class Running:
    """A started server: its process, its URL and its standard error."""

    process: "subprocess.Popen[str]"
    url: str
    errors: list[str]

    def client(self, service: str, credentials: Mapping[str, Any] | None = None) -> Any:
        """Return a boto3 client, of the fixed root user by default."""
        given = credentials or {
            "AccessKeyId": ROOT["DAYPASS_ROOT_ACCESS_KEY_ID"],
            "SecretAccessKey": ROOT["DAYPASS_ROOT_SECRET_ACCESS_KEY"],
        }
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given.get("SessionToken"),
            config=Config(retries={"total_max_attempts": 1}),
        )


def run(*words: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run one command until it exits."""
    return subprocess.run(
        [str(BIN), *words],
        env=clean_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@contextmanager
def serving(store: str, *words: str, environment: Mapping[str, str] = ROOT) -> Iterator[Running]:
    """Start `daypass serve`, wait until it is ready, and kill it at the end."""
    port = free_port()
    process = subprocess.Popen(
        [str(BIN), "serve", "--port", str(port), "--store", store, *words],
        env=clean_environment(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    errors: list[str] = []
    reader = threading.Thread(target=_read, args=(process, errors), daemon=True)
    reader.start()
    scheme = "https" if "--tls-cert" in words else "http"
    running = Running(process, f"{scheme}://127.0.0.1:{port}", errors)
    try:
        _wait(running, port)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        reader.join(60)


def _read(process: "subprocess.Popen[str]", errors: list[str]) -> None:
    if process.stderr is not None:
        errors.extend(iter(process.stderr.readline, ""))


def _wait(running: Running, port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and running.process.poll() is None:
        try:
            if running.url.startswith("https"):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            else:
                urllib.request.urlopen(f"{running.url}/readyz", timeout=10).close()  # noqa: S310 - our own address
        except (OSError, urllib.error.URLError):
            time.sleep(0.02)  # the process does not announce it
        else:
            return
    raise AssertionError(f"the server did not start: {running.errors}")


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without AWS and Daypass, and with more variables.

    Servers stop without a drain, which would take seconds, unless the variables say otherwise.
    """
    kept = {name: value for name, value in os.environ.items() if not re.match("(AWS|DAYPASS)_", name)}
    return kept | {"DAYPASS_DRAIN_SECONDS": "0"} | dict(environment)
