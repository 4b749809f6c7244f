"""Other people's signers against services of one's own: curl, and the signer of the JavaScript SDK."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.components import node_packages
from tests.verify.inventory import KEY_ID, RUNNING, SECRET, SESSION_KEY_ID, TOKEN, Inventory, make_keys
from tests.web_identity.node import run_script

_ALICE = "arn:aws:iam::111122223333:user/alice"
_BODY = b'{"count": 1}'


@pytest.fixture(scope="module", params=[*RUNNING])
def inventory(request: pytest.FixtureRequest) -> Iterator[Inventory]:
    """Run the service on each of the two kinds of servers."""
    with RUNNING[request.param](make_keys()) as running:
        yield running


def _curl(inventory: Inventory, path: str, *options: str, key: str = KEY_ID) -> dict[str, Any]:
    command = ["curl", "-sS", "--aws-sigv4", "aws:amz:us-east-1:inventory", "--user", f"{key}:{SECRET}", *options]
    done = subprocess.run([*command, inventory.url + path], capture_output=True, check=True, timeout=30)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.component("curl")
def test_curl_signs_for_a_service(inventory: Inventory) -> None:
    """With long-term keys, with a session, and with a body."""
    assert _curl(inventory, "/items/42")["caller"] == _ALICE
    assert _curl(inventory, "/items/42?color=red")["caller"] == _ALICE
    token = ("-H", f"X-Amz-Security-Token: {TOKEN}")
    assert _curl(inventory, "/items/42", *token, key=SESSION_KEY_ID)["caller"] == _ALICE
    json_body = ("-H", "Content-Type: application/json", "-d", _BODY.decode())
    assert _curl(inventory, "/items/42", *json_body)["sha256"] == hashlib.sha256(_BODY).hexdigest()


@pytest.mark.component("curl")
def test_curl_is_told_why_it_is_refused(inventory: Inventory) -> None:
    """The document is JSON, as AWS's services answer."""
    assert _curl(inventory, "/items/secret")["__type"] == "AccessDeniedException"
    assert _curl(inventory, "/elsewhere")["__type"] == "AccessDeniedException"
    assert _curl(inventory, "/items/42", key="AKIDUNKNOWN")["__type"] == "UnrecognizedClientException"


@pytest.mark.component("node")
@pytest.mark.parametrize(("key", "token"), [(KEY_ID, ""), (SESSION_KEY_ID, TOKEN)])
def test_the_javascript_signer_signs_for_a_service(inventory: Inventory, tmp_path: Path, key: str, token: str) -> None:
    """Header and presigned signatures, a query, and a body whose hash is in x-amz-content-sha256."""
    script = Path(__file__).with_name("javascript.mjs")
    settings = {
        "SERVICE_URL": inventory.url,
        "ACCESS_KEY_ID": key,
        "SECRET_ACCESS_KEY": SECRET,
        "SESSION_TOKEN": token,
    }
    done = run_script(script, node_packages(), tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for name in ("get", "query", "put", "presigned"):
        assert (found[name]["status"], found[name].get("caller")) == (200, _ALICE), found[name]
    assert found["put"]["sha256"] == hashlib.sha256(_BODY).hexdigest()
    assert (found["denied"]["status"], found["denied"]["__type"]) == (403, "AccessDeniedException")
