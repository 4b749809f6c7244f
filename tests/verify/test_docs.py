"""The examples of docs/verify.md run as they are printed, and print what the page says."""

import asyncio
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.components import node_packages
from tests.sockets import free_port
from tests.web_identity.node import environment_of, run_script

_PAGE = (Path(__file__).parents[2] / "docs/verify.md").read_text(encoding="utf-8")
_BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```$", _PAGE, re.DOTALL | re.MULTILINE)


def _block(language: str, marker: str) -> str:
    """Return the only block of a language that contains a marker."""
    (found,) = [text for name, text in _BLOCKS if name == language and marker in text]
    return found


def _printed_after(block: str) -> str:
    """Return the output that the page shows behind a block."""
    at = next(index for index, (_, text) in enumerate(_BLOCKS) if text == block)
    language, output = _BLOCKS[at + 1]
    assert language == "text"
    return output


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None and not _answers(port):
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60)
    except urllib.error.HTTPError as refused:
        return refused.code == 403
    except OSError:
        return False
    raise AssertionError("an unsigned request was accepted")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run the page's ASGI service, and return its port."""
    folder, chosen = tmp_path_factory.mktemp("service"), free_port()
    (folder / "inventory.py").write_text(_block("python", "async def inventory"), encoding="utf-8")
    command = [sys.executable, "-m", "uvicorn", "inventory:app", "--port", str(chosen)]
    assert "uvicorn inventory:app --port 8000" in _block("bash", "uvicorn inventory")
    with _running(command, folder, chosen):
        yield chosen


def _python(text: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_botocore_calls_the_service(port: int, tmp_path: Path) -> None:
    """The client of the page signs a body."""
    block = _block("python", "urllib.request.urlopen")
    assert _python(block.replace("8000", str(port)), tmp_path) == _printed_after(block)


@pytest.mark.component("curl")
@pytest.mark.parametrize("item", ["/items/42", "/items/7"])
def test_curl_calls_the_service(port: int, tmp_path: Path, item: str) -> None:
    """One request is allowed, and one is refused with the reason."""
    block = _block("bash", f"8000{item}")
    shell = ["bash", "-c", "set -e; " + block.replace("8000", str(port)).replace("curl ", "curl -sS ")]
    done = subprocess.run(
        shell, env=environment_of(tmp_path, {}), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == _printed_after(block).strip()


@pytest.mark.component("node")
def test_javascript_calls_the_service(port: int, tmp_path: Path) -> None:
    """The signer of the JavaScript SDK."""
    block = _block("javascript", "SignatureV4")
    script = tmp_path / "client.mjs"
    script.write_text(block.replace("8000", str(port)), encoding="utf-8")
    done = run_script(script, node_packages(), tmp_path)
    assert (done.returncode, done.stdout) == (0, _printed_after(block)), done.stderr


def test_the_wsgi_service_runs(tmp_path: Path) -> None:
    """The page's client calls the WSGI service too, and has no route for PUT there."""
    chosen = free_port()
    service = _block("python", "wsgiref").replace("8000", str(chosen))
    (tmp_path / "service.py").write_text(service, encoding="utf-8")
    client = _block("python", "urllib.request.urlopen").replace("8000", str(chosen))
    get = client.replace('"PUT"', '"GET"').replace(", data=b'{\"count\": 1}'", "")
    with _running([sys.executable, "service.py"], tmp_path, chosen):
        assert _python(get, tmp_path) == "arn:aws:iam::111122223333:user/alice sent 0 bytes\n"


def test_the_functions_print_what_the_page_says(tmp_path: Path) -> None:
    """Verify() and decide() without a server."""
    block = _block("python", "isinstance(decide")
    assert _python(block, tmp_path) == _printed_after(block)


def test_a_session_ends_as_the_page_says(tmp_path: Path) -> None:
    """The test of a service that the page shows."""
    block = _block("python", "def status_at")
    assert _python(block, tmp_path) == _printed_after(block)


@pytest.fixture
def _inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the page's first service as the module that its frameworks import."""
    module = ModuleType("inventory")
    exec(_block("python", "async def inventory"), vars(module))  # noqa: S102 - the page's own code
    monkeypatch.setitem(sys.modules, "inventory", module)


def _headers_of(path: str) -> dict[str, str]:
    request = AWSRequest("GET", f"http://inventory.example{path}", {"Host": "inventory.example"})
    SigV4Auth(Credentials("AKIDALICE", "correct-horse-battery"), "inventory", "us-east-1").add_auth(request)
    return dict(request.headers.items())


@pytest.mark.usefixtures("_inventory")
@pytest.mark.parametrize(("path", "status"), [("/items/42", 200), ("/items/7", 403), ("/other", 403)])
def test_the_service_runs_in_flask(path: str, status: int) -> None:
    """The caller is in the request's environment, and a refused request does not reach the framework."""
    names: dict[str, Any] = {"__name__": "service"}
    exec(_block("python", "from flask"), names)  # noqa: S102 - the page's own code
    answer = names["app"].test_client().get(path, headers=_headers_of(path), base_url="http://inventory.example")
    assert answer.status_code == status
    if status == 200:
        assert answer.text == "arn:aws:iam::111122223333:user/alice reads 42"


@pytest.mark.usefixtures("_inventory")
@pytest.mark.parametrize(("path", "status"), [("/items/42", 200), ("/items/7", 403), ("/other", 403)])
def test_the_service_runs_in_starlette(path: str, status: int) -> None:
    """The caller is in the request's scope, and a refused request does not reach the framework."""
    names: dict[str, Any] = {"__name__": "service"}
    exec(_block("python", "from starlette"), names)  # noqa: S102 - the page's own code
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in _headers_of(path).items()]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    asyncio.run(names["app"]({**scope, "headers": headers, "scheme": "http", "http_version": "1.1"}, receive, send))
    assert sent[0]["status"] == status
    if status == 200:
        assert sent[1]["body"] == b"arn:aws:iam::111122223333:user/alice reads 42"


def test_the_table_of_answers_is_complete() -> None:
    """Each type of the code is in the page, with its status."""
    answers = (Path(__file__).parents[2] / "src/daypass/verify/services/answers.py").read_text(encoding="utf-8")
    types = set(re.findall(r'"(\w+Exception)"', answers))
    table = _PAGE.partition("## Answers")[2]
    assert types == set(re.findall(r"`(\w+Exception)`", table))
