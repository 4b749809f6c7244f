"""`daypass dev` as a newcomer runs it: one command, then a sign-in with a browser."""

import base64
import re
import signal
import subprocess
import time
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.process.daypass import BIN, clean_environment, run
from tests.saml.browser import Answer, Browser
from tests.sockets import free_port

from daypass.dev.demo_people import PEOPLE, role_values
from daypass.testing.saml_idp import find_request_id

_KEY_NAMES = ("aws_access_key_id", "aws_secret_access_key")


@dataclass(frozen=True)
class Demonstration:
    """A running demonstration: what it printed, and its addresses."""

    process: "subprocess.Popen[str]"
    printed: str
    url: str
    provider: str
    store: Path


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


@contextmanager
def _started(*words: str, **environment: str) -> Iterator[Demonstration]:
    process = subprocess.Popen(
        [str(BIN), "dev", "--port", "0", "--provider-port", "0", *(words or ["--no-gateway"])],
        env=clean_environment(environment),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("The store is"):
            break
    text = "".join(lines)
    try:
        yield Demonstration(
            process,
            text,
            _found(r"Sign in at (\S+)/login", text),
            _found(r"identity provider is (\S+)\.\n", text),
            Path(_found(r"sqlite:///(\S+)\. ", text)),
        )
    finally:
        process.terminate()  # it deletes its store
        process.wait(60)
        process.stdout.close()


@pytest.fixture(scope="module")
def demonstration() -> Iterator[Demonstration]:
    """Run `daypass dev` with settings of a real server in its environment, which it must not read."""
    with _started(DAYPASS_STORE="postgresql://nowhere/x", DAYPASS_ORGANIZATION_NAME="Acme") as started:
        yield started


def _browser() -> Browser:
    """Return a browser that treats loopback as secure, like Chromium and Firefox."""
    browser = Browser()
    browser.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
    return browser


def _people(demonstration: Demonstration, browser: Browser) -> Answer:
    login = browser.send(f"{demonstration.url}/login")
    link = _found(r'href="(/login/saml/[^"]+)"', login.text)
    return browser.send(urljoin(demonstration.url, link))


def test_a_person_of_the_demonstration_gets_the_roles_of_their_groups(demonstration: Demonstration) -> None:
    """A click on a person is the whole sign-in; the roles are those of the person's groups."""
    browser = _browser()
    page = _people(demonstration, browser)
    targets = {target for target, _ in page.forms}
    assert targets == {f"{demonstration.url}/saml"}
    developer = next(fields for (_, fields), person in zip(page.forms, PEOPLE, strict=True) if "Dev" in person.name)
    roles = browser.send(f"{demonstration.url}/saml", developer)
    assert roles.status == 200, roles.text
    assert "Developer" in roles.text
    assert "Auditor" in roles.text
    assert "Administrator" not in roles.text


def test_terminal_and_pages_say_that_it_is_no_production_server(demonstration: Demonstration) -> None:
    """A person who finds such a page must see it at once."""
    assert demonstration.printed.startswith("DEMONSTRATION, NOT FOR PRODUCTION.")
    assert f"AWS_ENDPOINT_URL_IAM={demonstration.url}\naws login\n" in demonstration.printed
    of_all_services = r"^endpoint_url|AWS_ENDPOINT_URL="  # would send calls of every service of AWS here
    assert not re.search(of_all_services, demonstration.printed, re.MULTILINE)
    assert "[profile daypass-dev]\nservices = daypass-dev\n" in demonstration.printed
    browser = _browser()
    assert "Demonstration, not for production" in browser.send(f"{demonstration.url}/login").text
    assert "not for production" in _people(demonstration, browser).text
    assert "Acme" not in browser.send(f"{demonstration.url}/login").text


def test_a_rebound_name_gets_no_assertion(demonstration: Demonstration) -> None:
    """Only the provider's own address is served: a page elsewhere could read the assertions otherwise."""
    address = urlsplit(demonstration.provider)
    connection = HTTPConnection(address.netloc, timeout=30)
    connection.request("GET", "/sso?SAMLRequest=x", headers={"Host": "evil.example.org"})
    assert connection.getresponse().status == 400
    connection.close()


def test_without_a_request_the_provider_signs_no_assertion(demonstration: Demonstration) -> None:
    """Assertions answer requests only, and the address of the request's sender does not matter."""
    with urllib.request.urlopen(demonstration.provider + "/sso?SAMLRequest=eJw", timeout=30) as answer:  # noqa: S310
        assert b"SAMLResponse" not in answer.read()


@pytest.mark.slow
def test_the_end_deletes_the_temporary_store() -> None:
    """Ctrl+C stops both servers, and the store is gone."""
    with _started() as demonstration:
        urllib.request.urlopen(f"{demonstration.url}/healthz", timeout=60).close()  # noqa: S310 - its own address
        assert demonstration.store.exists()
        demonstration.process.send_signal(signal.SIGINT)
        assert demonstration.process.wait(60) == 0
        assert not demonstration.store.parent.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104 - it must be refused
def test_another_machine_cannot_reach_it(host: str) -> None:
    """Every visitor can sign in as every person, so only loopback is allowed."""
    refused = run("dev", "--host", host)
    assert refused.returncode == 6
    assert "loopback" in refused.stderr


def test_an_existing_store_is_refused(tmp_path: Path) -> None:
    """The demonstration would add accounts that everybody can use to a real store."""
    store = tmp_path / "daypass.db"
    store.write_bytes(b"")
    refused = run("dev", "--no-gateway", "--store", f"sqlite:///{store}", "--port", "0", "--provider-port", "0")
    assert refused.returncode == 6
    assert "exists already" in refused.stderr
    assert store.read_bytes() == b""


def test_an_unknown_option_is_refused_by_name() -> None:
    """Nothing is ignored silently."""
    refused = run("dev", "--controls", "http://127.0.0.1:1")
    assert refused.returncode == 2
    assert "--controls" in refused.stderr


def test_the_tables_fit_together() -> None:
    """Each person has exactly the roles of their groups, in the accounts that have them."""
    counts = {person.name.split()[0]: len(list(role_values(person))) for person in PEOPLE}
    assert counts == {"Ada": 5, "Dev": 3, "Aki": 2, "Nora": 0}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (b'<samlp:AuthnRequest xmlns:samlp="x" ID="_a1"/>', "_a1"),
        (b"<samlp:AuthnRequest Version='2.0' ID='_b'/>", "_b"),
        (b'<samlp:AuthnRequest ID="_<script>"/>', ""),
        (b'<other ID="_a"/>', ""),
    ],
)
def test_the_request_id_is_read_from_the_request(document: bytes, found: str) -> None:
    """Another ID would be refused by the server, and markup must not reach the assertion."""
    deflated = zlib.compressobj(wbits=-15)
    encoded = base64.b64encode(deflated.compress(document) + deflated.flush()).decode()
    assert find_request_id(encoded) == found
    assert find_request_id(encoded[:-3] + "!") == ""


@pytest.mark.slow
@pytest.mark.component("seaweedfs")
@pytest.mark.timeout(300)
def test_the_gateway_serves_an_empty_store(tmp_path: Path) -> None:
    """The root key of the demonstration works at the gateway, and the end stops all processes and deletes all files."""
    port, folder = free_port(), tmp_path / ("deep" * 15)  # the address of a socket cannot be so long
    folder.mkdir()
    with _started("--gateway", "--gateway-port", str(port), TMPDIR=str(folder)) as demonstration:
        key, secret = (_found(rf"{name} = (\S+)", demonstration.printed) for name in _KEY_NAMES)
        assert f"http://127.0.0.1:{port}" in demonstration.printed
        s3 = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )
        deadline = time.monotonic() + 200
        while True:
            try:
                s3.create_bucket(Bucket="scratch")
                break
            except (EndpointConnectionError, ClientError):
                assert time.monotonic() < deadline
                with suppress(subprocess.TimeoutExpired):  # the demonstration runs on, so this is a pause
                    demonstration.process.wait(0.2)
        s3.put_object(Bucket="scratch", Key="a/b", Body=b"hello")
        assert s3.get_object(Bucket="scratch", Key="a/b")["Body"].read() == b"hello"
        demonstration.process.terminate()
        demonstration.process.wait(60)
        assert list(folder.iterdir()) == []
        with pytest.raises(EndpointConnectionError):
            s3.list_buckets()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--store", "sqlite:////nowhere/x.db"], "--gateway cannot be used"), (["--control"], "--gateway cannot be used")],
)
def test_a_gateway_that_cannot_be_is_refused(words: list[str], said: str) -> None:
    """Nothing is ignored silently."""
    refused = run("dev", "--gateway", *words)
    assert refused.returncode == 2
    assert said in refused.stderr
