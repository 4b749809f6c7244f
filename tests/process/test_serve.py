"""`daypass serve` as an operator uses it.

First start, signals, crashes, invalid settings.
"""

import json
import os
import re
import select
import signal
import socket
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme
from tests.process.daypass import ROOT, run, serving
from tests.process.draining import wait_for
from tests.slow_cases import quick_first
from tests.sockets import free_port


def test_sigterm_ends_it_with_exit_code_zero(tmp_path: Path) -> None:
    """An orchestrator that stops a server must not see a failure."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@pytest.mark.slow
def test_several_workers_see_each_others_writes_at_once(tmp_path: Path) -> None:
    """A write of one process is visible to the next request in any process."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2") as server:
        for number in range(10):
            name = f"user-{number}"
            server.client("iam").create_user(UserName=name)
            # A new client opens a new connection, so another worker may answer.
            assert server.client("iam").get_user(UserName=name)["User"]["UserName"] == name
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


@pytest.mark.slow
def test_a_write_that_was_answered_survives_kill_9(tmp_path: Path) -> None:
    """An answered write is durable."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    with serving(store) as server:
        made = server.client("iam").create_user(UserName="alice")["User"]
        server.process.kill()
        server.process.wait(10)
    with serving(store, environment={}) as server:
        assert server.client("iam").get_user(UserName="alice")["User"]["UserId"] == made["UserId"]


def test_the_first_start_leaves_the_root_key_in_a_private_file(tmp_path: Path) -> None:
    """Without a terminal, the key is written to a file of mode 0600, whose name is printed.

    The key is never logged.
    """
    with serving(f"sqlite:///{tmp_path / 'd.db'}", environment={}) as server:
        [file] = tmp_path.glob("daypass-root-*.ini")
        lines = dict(line.split(" = ") for line in file.read_text().splitlines() if " = " in line)
        key = {"AccessKeyId": lines["aws_access_key_id"], "SecretAccessKey": lines["aws_secret_access_key"]}
        account = server.client("sts", key).get_caller_identity()["Account"]
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
    of_all_services = [line for line in file.read_text().splitlines() if line.startswith("endpoint_url")]
    assert "[services daypass-root]\n" in file.read_text()
    assert of_all_services == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.name == f"daypass-root-{account}.ini"
    log = "".join(server.errors)
    assert str(file) in log
    [first] = [line for line in map(json.loads, server.errors) if line["event"] == "first_start"]
    assert first["account"] == account
    assert first["root_access_key_file"] == str(file)
    assert first["store"] == str(tmp_path / "d.db")
    assert first["master_key"] == str(tmp_path / "master.key")
    assert first["audit_log"] == str(tmp_path / "audit.jsonl")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/login", first["portal"])
    assert key["SecretAccessKey"] not in log


def test_the_log_has_one_format(tmp_path: Path) -> None:
    """With log_format = text, no line is JSON, and the first start's lines say where each part is.

    With log_level = debug, each answered request has a line with the reason of a refusal.
    """
    store, settings = f"sqlite:///{tmp_path / 'd.db'}", {"DAYPASS_LOG_FORMAT": "text", "DAYPASS_LOG_LEVEL": "debug"}
    with serving(store, environment=settings) as server:
        urllib.request.urlopen(f"{server.url}/healthz").close()  # noqa: S310 - our own address
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{server.url}/?Action=GetCallerIdentity&Version=2011-06-15")  # noqa: S310 - our own
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
    log = "".join(server.errors)
    assert f"daypass: store: {tmp_path / 'd.db'}\n" in log
    assert f"daypass: master key: {tmp_path / 'master.key'}\n" in log
    assert re.search(r"^daypass: portal: http://127\.0\.0\.1:\d+/login$", log, re.MULTILINE)
    assert "{" not in log
    assert re.search(r"answered .*code=MissingAuthenticationToken", log)


def test_each_request_has_a_line_in_the_access_log(tmp_path: Path) -> None:
    """It has no query string, and SIGHUP continues in a new file."""
    log = tmp_path / "access.jsonl"
    settings = {**ROOT, "DAYPASS_ACCESS_LOG": str(log), "DAYPASS_AUDIT_LOG": "none"}
    with serving(f"sqlite:///{tmp_path / 'd.db'}", environment=settings) as server:
        server.client("sts").get_caller_identity()
        server.client("iam").create_user(UserName="alice")
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{server.url}/none/such?X-Amz-Signature=secret")  # noqa: S310 - our own
        wait_for(lambda: "/none/such" in log.read_text())
        log.rename(tmp_path / "old.jsonl")
        server.process.send_signal(signal.SIGHUP)
        wait_for(log.exists)
        server.client("sts").get_caller_identity()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    text = (tmp_path / "old.jsonl").read_text() + log.read_text()
    lines = [line for line in map(json.loads, text.splitlines()) if line["path"] != "/readyz"]
    root = "arn:aws:iam::123456789012:root"
    assert [(line["method"], line["path"], line["status"], line["action"], line["arn"]) for line in lines] == [
        ("POST", "/", 200, "GetCallerIdentity", root),
        ("POST", "/", 200, "CreateUser", root),
        ("GET", "/none/such", 404, "", ""),
        ("POST", "/", 200, "GetCallerIdentity", root),
    ]
    assert all(line["peer"] == "127.0.0.1" and 0 < line["seconds"] < 60 and line["bytes"] for line in lines)
    assert len({line["request_id"] for line in lines if line["action"]}) == 3
    assert "secret" not in text
    assert "Signature" not in text


@pytest.mark.slow
def test_an_account_made_beside_a_live_server_can_sign_at_once(tmp_path: Path) -> None:
    """Operators' commands write to the store, and the next request sees it."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    with serving(store) as server:
        server.client("sts").get_caller_identity()
        made = run("account", "create", "--name", "second", "--output", "json", "--store", store)
        answer = json.loads(made.stdout)
        who = server.client("sts", answer["RootAccessKey"]).get_caller_identity()
        assert who["Account"] == answer["AccountId"]
    listed = json.loads(run("account", "list", "--output", "json", "--store", store).stdout)
    assert {one["AccountId"] for one in listed["Accounts"]} == {"123456789012", answer["AccountId"]}


def test_an_audit_event_is_written_for_each_request(tmp_path: Path) -> None:
    """Each line is one JSON document with CloudTrail's names and no secrets."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}") as server:
        server.client("iam").create_user(UserName="alice")
        key = server.client("iam").create_access_key(UserName="alice")["AccessKey"]
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
    text = (tmp_path / "audit.jsonl").read_text()
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["eventName"] for event in events] == ["CreateUser", "CreateAccessKey"]
    assert events[0]["userIdentity"]["arn"] == "arn:aws:iam::123456789012:root"
    assert key["SecretAccessKey"] not in text


@pytest.mark.slow
def test_a_silent_tls_client_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A silent TLS client does not delay the shutdown.

    SDKs keep idle connections open without reading, so they do not notice that the server ends TLS.
    """
    authority = trustme.CA()
    issued, cert, key = authority.issue_cert("127.0.0.1"), tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        port = int(server.url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as idle,
        ):
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert idle.recv(15) == b"HTTP/1.1 200 OK"
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(60) == 0
    assert "timeout graceful shutdown exceeded" not in "".join(server.errors)


def test_it_serves_over_tls_and_reads_a_new_certificate_on_sighup(tmp_path: Path) -> None:
    """Certificates are renewed without a restart."""
    first, second = trustme.CA(), trustme.CA()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def put(authority: trustme.CA) -> None:
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def trusting(authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    put(first)
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        health = f"{server.url}/healthz"
        assert urllib.request.urlopen(health, context=trusting(first)).status == 200  # noqa: S310 - our own
        put(second)
        log = tmp_path / "audit.jsonl"
        log.rename(tmp_path / "audit.jsonl.1")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(200):
            try:
                answer = urllib.request.urlopen(health, context=trusting(second))  # noqa: S310 - our own
            except OSError:
                continue
            assert answer.status == 200
            break
        else:
            pytest.fail("the new certificate was never served")
        # The same signal reopens the audit log.
        for _ in range(200):
            if log.exists():
                break
            urllib.request.urlopen(health, context=trusting(second)).close()  # noqa: S310 - our own
        else:
            pytest.fail("the audit log was never opened again")


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    quick_first(
        [
            (["--host", "0.0.0.0"], {}, "TLS is needed"),  # noqa: S104 - what is refused
            (["--host", "0.0.0.0"], {"DAYPASS_TRUSTED_PROXIES": "10.0.0.0/8"}, "--public-url"),  # noqa: S104
            (["--store", "mysql://x"], {}, "sqlite:///PATH"),
            (["--tls-cert", "x.pem"], {}, "set together"),
            (["--tls-cert", "x.pem", "--tls-key", "x.pem"], {}, "--tls-cert: x.pem cannot be read: No such file"),
            ([], {"DAYPASS_PORT": "many"}, "DAYPASS_PORT"),
            ([], {"DAYPASS_LOG_LEVEL": "shout"}, "log_level"),
            ([], {"DAYPASS_ROOT_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, "set together"),
        ],
        quick=2,
    ),
)
def test_a_setting_that_cannot_be_is_exit_code_six(
    tmp_path: Path, words: list[str], environment: Mapping[str, str], says: str
) -> None:
    """One sentence names the setting, without a traceback."""
    store = [] if "--store" in words else ["--store", f"sqlite:///{tmp_path / 'd.db'}"]
    port = [] if "DAYPASS_PORT" in environment else ["--port", str(free_port())]
    done = run("serve", *words, *store, *port, environment=environment)
    assert done.returncode == 6
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_master_key_that_does_not_open_the_store_is_exit_code_six(tmp_path: Path) -> None:
    """A wrong key must never be treated as a first start."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    assert run("account", "create", "--store", store).returncode == 0
    done = run("serve", "--store", store, "--port", str(free_port()), environment={"DAYPASS_MASTER_KEY": "0" * 64})
    assert done.returncode == 6
    assert "master key" in done.stderr


@pytest.mark.slow
def test_the_first_account_is_made_once(tmp_path: Path) -> None:
    """The settings of the first start are read only for an empty store."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    with serving(store):
        pass
    other = dict(ROOT) | {"DAYPASS_ROOT_ACCOUNT_ID": "999999999999"}
    with serving(store, environment=other) as server:
        assert server.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_usage_mistakes_are_exit_code_two() -> None:
    """Exit code 2, as for every command-line tool."""
    assert run("serve", "--no-such-option").returncode == 2
    assert run("nonsense").returncode == 2
    assert run("--version").stdout.startswith("daypass ")


@pytest.mark.slow
def test_the_last_use_of_a_key_is_known_after_the_server_stopped(tmp_path: Path) -> None:
    """Uses are written in the background, and the rest at the shutdown."""
    store = f"sqlite:///{tmp_path / 'd.db'}"
    with serving(store) as server:
        server.client("iam").create_user(UserName="alice")
        key = server.client("iam").create_access_key(UserName="alice")["AccessKey"]
        server.client("sts", key).get_caller_identity()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
    with serving(store) as server:
        used = server.client("iam").get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
        assert (used["ServiceName"], used["Region"]) == ("sts", "us-east-1")


@pytest.mark.slow
def test_workers_do_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    """The kernel ends the workers with their parent, so the port becomes free."""
    with serving(f"sqlite:///{tmp_path / 'd.db'}", "--workers", "2") as server:
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        assert len(children) == 2
        server.process.kill()
        server.process.wait(10)
        ends = [_wait_for_end(int(child)) for child in children]
        assert ends == [True, True]


def _wait_for_end(pid: int) -> bool:
    """Return whether a process that is not our child ends soon."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30)[0])
    finally:
        os.close(descriptor)


def test_the_figures_may_have_a_port_of_their_own(tmp_path: Path) -> None:
    """DAYPASS_METRICS_PORT removes the metrics from the public port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = dict(ROOT) | {"DAYPASS_METRICS_PORT": str(port)}
    with serving(f"sqlite:///{tmp_path / 'd.db'}", environment=environment) as server:
        server.client("sts").get_caller_identity()
        figures = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        assert 'daypass_answers_total{action="GetCallerIdentity",code=""} 1.0' in figures
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{server.url}/metrics")  # noqa: S310 - our own


def test_a_taken_port_makes_no_account(tmp_path: Path) -> None:
    """A server that cannot listen does not create an account, whose key is shown only once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port, "--store", f"sqlite:///{tmp_path / 'd.db'}")
    assert done.returncode == 6
    assert "cannot listen" in done.stderr
    assert list(tmp_path.iterdir()) == []
