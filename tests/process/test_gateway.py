"""`daypass gateway` as an operator uses it, beside `daypass serve`."""

import json
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.gateway.stores import StoreServer
from tests.process.daypass import BIN, clean_environment, run, serving
from tests.process.daypass_gateway import ACCOUNT, gateway, key_file, role_session
from tests.slow_cases import quick_first


@pytest.mark.slow
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
    quick_first(
        [
            ((), "a gateway needs --backend"),
            ((), "--backend http://127.0.0.1:8333 --backend-key-file store.key"),
            (("--backend", "http://127.0.0.1:1", "--backend-key-file", "{folder}/none"), "does not exist. It contains"),
            (
                ("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}", "--account", "1"),
                "an account id has 12",
            ),
            (
                ("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}", "--account", "999999999999"),
                "the account 999999999999 does not exist in the store. Run `daypass account list`",
            ),
            (
                ("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}", "--listen", "0.0.0.0:1"),
                "TLS is needed",
            ),
            (
                (
                    *("--backend", "http://127.0.0.1:1", "--backend-key-file", "{key}"),
                    *("--tls-cert", "{open}", "--tls-key", "{open}"),
                ),
                "--tls-key: {open} is open to other users: run `chmod 600 {open}`",
            ),
        ],
        quick=2,
    ),
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


@pytest.mark.slow
def test_a_port_in_use_names_its_option(tmp_path: Path, moto_store: StoreServer) -> None:
    """Two gateways of one machine need two addresses for /healthz."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    run("account", "create", "--store", store, "--id", ACCOUNT)
    words = ("--backend", "http://127.0.0.1:1", "--backend-key-file", key_file(tmp_path, moto_store))
    taken = f"127.0.0.1:{moto_store.port}"
    ended = run("gateway", "--listen", "127.0.0.1:0", "--admin-listen", taken, "--store", store, *words)
    assert ended.returncode == 6
    assert ended.stderr.endswith("Address already in use. Choose another address with --admin-listen\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--tls-cert", "{folder}/none.pem", "--tls-key", "{key}"), "none.pem cannot be read: No such file"),
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


def test_a_gateway_whose_server_does_not_answer_says_so_in_the_terminal(
    tmp_path: Path, moto_store: StoreServer
) -> None:
    """It starts, because the server may come back, and answers 503 until then."""
    credentials = tmp_path / "credentials"
    credentials.write_text("[gateway]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n")
    environment = {"XDG_DATA_HOME": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}
    process = subprocess.Popen(
        [
            *(str(BIN), "gateway", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--no-self-check"),
            *("--backend", "http://127.0.0.1:1", "--backend-key-file", key_file(tmp_path, moto_store)),
            *("--server", "http://127.0.0.1:1", "--identity-profile", "gateway"),
        ],
        env=clean_environment(environment),
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        warning = next(line for line in lines if line.startswith("daypass: the server"))
    finally:
        process.kill()
        process.wait(10)
    assert warning.startswith("daypass: the server http://127.0.0.1:1 cannot be reached: no answer from the server")
    assert warning.endswith("Check --server and the network to it. Until then every request gets 503.\n")


def test_a_missing_store_of_accounts_is_named(tmp_path: Path, moto_store: StoreServer) -> None:
    """A gateway does not create an empty store."""
    words = ("--backend", "http://127.0.0.1:1", "--backend-key-file", key_file(tmp_path, moto_store))
    ended = run("gateway", "--store", f"sqlite:///{tmp_path / 'none.db'}", *words)
    assert ended.returncode == 6
    assert "none.db does not exist" in ended.stderr
