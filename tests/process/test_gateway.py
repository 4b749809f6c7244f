"""`daypass gateway` as an operator uses it, beside `daypass serve`."""

import json
import signal
import stat
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.gateway.stores import StoreServer
from tests.process.daypass import BIN, ROOT, Running, clean_environment, run, serving
from tests.sockets import free_port

ACCOUNT = ROOT["DAYPASS_ROOT_ACCOUNT_ID"]


def key_file(folder: Path, store: StoreServer) -> str:
    """Write the key file of a store."""
    path = folder / "store.key"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"AccessKeyId": store.access_key_id, "SecretAccessKey": store.secret}))
    return str(path)


@contextmanager
def gateway(store_of_accounts: str, *words: str) -> Iterator[Running]:
    """Start `daypass gateway`, wait until it is ready, and kill it at the end."""
    port, admin = free_port(), free_port()
    process = subprocess.Popen(
        [
            *(str(BIN), "gateway", "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"),
            *("--store", store_of_accounts, *words),
        ],
        env=clean_environment({}),
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
        process.wait(10)
        reader.join(10)


def _wait(process: "subprocess.Popen[str]", url: str, errors: list[str]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own address
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


def test_two_commands_give_a_store_the_access_model_of_aws(tmp_path: Path, moto_store: StoreServer) -> None:
    """An assumed role works with an object, and is refused another one in S3's words."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    words = ("--backend", moto_store.url, "--backend-key-file", key_file(tmp_path, moto_store), "--profile", "moto")
    with serving(store) as server, gateway(store, *words) as running:
        s3 = running.client("s3", role_session(server))
        s3.create_bucket(Bucket="two-commands")
        for key in ("open", "secret"):
            s3.put_object(Bucket="two-commands", Key=key, Body=b"hello")
        assert s3.get_object(Bucket="two-commands", Key="open")["Body"].read() == b"hello"
        with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
            s3.get_object(Bucket="two-commands", Key="secret")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(20) == 0
    shown = "".join(running.errors)
    assert f"aws --endpoint-url {running.url} s3 ls" in shown
    assert f"belongs to account {ACCOUNT}, the only account of the store" in shown
    assert moto_store.secret not in shown
    events = [json.loads(line) for line in (tmp_path / "gateway-audit.jsonl").read_text().splitlines()]
    assert [event["eventName"] for event in events][-2:] == ["GetObject", "GetObject"]
    assert "errorCode" not in events[-2]
    assert events[-1]["errorCode"] == "AccessDenied"
    assert moto_store.secret not in json.dumps(events)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "a gateway needs --backend"),
        ((), "--backend http://127.0.0.1:8333 --backend-key-file store.key"),
        (("--backend", "http://127.0.0.1:1", "--backend-key-file", "{folder}/none"), "does not exist. It contains"),
        (("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}", "--account", "1"), "an account id has 12"),
        (
            ("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}", "--account", "999999999999"),
            "the account 999999999999 does not exist in the store. Run `daypass account list`",
        ),
        (("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}", "--listen", "0.0.0.0:1"), "TLS is needed"),
        (
            (
                *("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}"),
                *("--tls-cert", "{open}", "--tls-key", "{open}"),
            ),
            "--tls-key: {open} is open to other users: run `chmod 600 {open}`",
        ),
    ],
)
def test_a_gateway_that_cannot_start_says_why(
    tmp_path: Path, moto_store: StoreServer, words: tuple[str, ...], message: str
) -> None:
    """The exit code is that of a wrong configuration."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    run("account", "create", "--store", store, "--id", ACCOUNT)
    places = {"folder": str(tmp_path), "key": key_file(tmp_path, moto_store), "open": str(tmp_path / "open.pem")}
    (tmp_path / "open.pem").touch(mode=0o644)
    ended = run(
        "gateway",
        *("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--store", store),
        *(word.format(**places) for word in words),
    )
    assert ended.returncode == 6
    assert message.format(**places) in ended.stderr


def test_a_port_in_use_names_its_option(tmp_path: Path, moto_store: StoreServer) -> None:
    """Two gateways of one machine need two addresses for /healthz."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    run("account", "create", "--store", store, "--id", ACCOUNT)
    words = ("--backend", "http://127.0.0.1:1", "--backend-key-file", key_file(tmp_path, moto_store))
    taken = f"127.0.0.1:{moto_store.port}"
    ended = run("gateway", "--listen", "127.0.0.1:0", "--admin-listen", taken, "--store", store, *words)
    assert ended.returncode == 6
    assert ended.stderr.endswith("Address already in use. Choose another address with --admin-listen\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tls-cert", "{folder}/none.pem", "--tls-key", "{key}"), "cannot serve with the certificate"),
        (("--server", "http://127.0.0.1:1", "--identity-profile", "none"), "into ~/.aws/credentials"),
    ],
)
def test_a_gateway_does_not_say_that_it_started_before_a_refusal(
    tmp_path: Path, moto_store: StoreServer, words: tuple[str, ...], message: str
) -> None:
    """The only line is the reason."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    run("account", "create", "--store", store, "--id", ACCOUNT)
    places = {"folder": str(tmp_path), "key": key_file(tmp_path, moto_store)}
    ended = run(
        *("gateway", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
        *("--backend", "http://127.0.0.1:1", "--backend-key-file", places["key"]),
        *(() if "--server" in words else ("--store", store)),
        *(word.format(**places) for word in words),
    )
    assert ended.returncode == 6
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_gateway_alone_makes_the_folder_of_its_audit_log(tmp_path: Path, moto_store: StoreServer) -> None:
    """A machine with a gateway and no store does not have the folder yet."""
    folder, credentials = tmp_path / "data", tmp_path / "credentials"
    credentials.write_text("[gateway]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n")
    environment = {"XDG_DATA_HOME": str(folder), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    process = subprocess.Popen(
        [
            *(str(BIN), "gateway", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"),
            *("--backend", "http://127.0.0.1:1", "--backend-key-file", key_file(tmp_path, moto_store)),
            *("--server", "http://127.0.0.1:1", "--identity-profile", "gateway"),
        ],
        env=clean_environment(environment),
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        log, end = folder / "daypass" / "gateway-audit.jsonl", time.monotonic() + 30
        while not log.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)  # the process does not announce it
        assert log.exists()
        assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    finally:
        process.kill()
        process.wait(10)


def test_a_missing_store_of_accounts_is_named(tmp_path: Path, moto_store: StoreServer) -> None:
    """A gateway does not create an empty store."""
    words = ("--backend", "http://127.0.0.1:1", "--backend-key-file", key_file(tmp_path, moto_store))
    ended = run("gateway", "--store", f"sqlite:///{tmp_path / 'none.db'}", *words)
    assert ended.returncode == 6
    assert "none.db does not exist" in ended.stderr
