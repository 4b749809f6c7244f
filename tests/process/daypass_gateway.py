"""`daypass gateway` as a separate process, and the session of a role for it."""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.gateway.stores import StoreServer
from tests.process.daypass import BIN, ROOT, Running, clean_environment
from tests.sockets import free_port

NONE: Mapping[str, str] = MappingProxyType({})
ACCOUNT = ROOT["DAYPASS_ROOT_ACCOUNT_ID"]


def key_file(folder: Path, store: StoreServer) -> str:
    """Write the key file of a store."""
    path = folder / "store.key"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"AccessKeyId": store.access_key_id, "SecretAccessKey": store.secret}))
    return str(path)


@contextmanager
def gateway(
    store_of_accounts: str, *words: str, admin: int = 0, environment: Mapping[str, str] = NONE
) -> Iterator[Running]:
    """Start `daypass gateway`, wait until it is ready, and kill it at the end.

    `admin` is the port of its health and metrics. It is a free one by default.
    """
    port, admin = free_port(), admin or free_port()
    process = subprocess.Popen(
        [
            *(str(BIN), "gateway", "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"),
            *("--store", store_of_accounts, *words),
        ],
        env=clean_environment(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    errors: list[str] = []
    reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
    reader.start()
    try:
        _wait(process, f"http://127.0.0.1:{admin}/readyz", errors)
        yield Running(process, f"http://127.0.0.1:{port}", errors)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        reader.join(60)


def _wait(process: "subprocess.Popen[str]", url: str, errors: list[str]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=10).close()  # noqa: S310 - our own address
        except (OSError, urllib.error.URLError):
            time.sleep(0.02)  # the process does not announce it
        else:
            return
    raise AssertionError(f"the gateway did not start: {errors}")


def role_session(server: Running) -> dict[str, Any]:
    """Return the credentials of a role that may do everything but read one object."""
    iam = server.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=_document(trust))
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*/secret"}
    iam.put_role_policy(RoleName="app", PolicyName="s3", PolicyDocument=_document(allow, deny))
    iam.create_user(UserName="alice")
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam.put_user_policy(UserName="alice", PolicyName="assume", PolicyDocument=_document(assume))
    key = iam.create_access_key(UserName="alice")["AccessKey"]
    sts = server.client("sts", key)
    role = f"arn:aws:iam::{ACCOUNT}:role/app"
    credentials: dict[str, Any] = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return credentials


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
