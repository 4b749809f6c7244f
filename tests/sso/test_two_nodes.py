"""Programs whose steps are handled by different nodes, each with its own cache."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from tests.sign_in.conftest import ACCOUNT, REQUEST, Node, People

from daypass.base64url import to_base64url
from daypass.errors import Fault
from daypass.sign_in import device_codes
from daypass.sign_in.grants import CodeGrant, issue_code
from daypass.sso.create_token import CreateToken, CreateTokenParams
from daypass.sso.register_client import DEVICE_CODE, RegisterClient, RegisterClientParams
from daypass.sso.rest_action import RestCall
from daypass.sso.start_device_authorization import StartDeviceAuthorization, StartDeviceAuthorizationParams

VERIFIER = "v" * 43
_LATER = timedelta(seconds=2)
URI = "http://127.0.0.1:50123/oauth/callback"


@pytest.fixture
def other(people: People) -> Node:
    """Return a second node on the same store."""
    return Node.start(people.server.there, people.keys)


def call(node: Node, action: Any, params: Any) -> Any:
    """Perform an operation on a node. Return its response, or the code of the refusal."""
    try:
        with node.ctx() as ctx:
            return action.answer(params, RestCall(REQUEST, "r", ctx, node.pipeline, node.blocking))
    except Fault as fault:
        return fault.code


def register(node: Node, **more: Any) -> dict[str, Any]:
    """Register a program on a node."""
    found = call(node, RegisterClient(), RegisterClientParams("a program", "public", **more))
    return {"client_id": found["clientId"], "client_secret": found["clientSecret"]}


def sign_in(people: People, node: Node) -> str:
    """Sign a person in on a node."""
    return node.sign_in_by_saml(people.response(f"arn:aws:iam::{ACCOUNT}:role/developer"))[0].id


def test_a_device_is_approved_on_another_node_than_it_polls(people: People, other: Node) -> None:
    """A poll that was answered from the cache does not hide the approval."""
    node, token = people.node, CreateToken()
    program = register(other)
    with node.ctx() as ctx:
        start = f"{ctx.settings.public_url}/start"
    begun = call(node, StartDeviceAuthorization(), StartDeviceAuthorizationParams(**program, start_url=start))
    poll = CreateTokenParams(**program, grant_type=DEVICE_CODE, device_code=begun["deviceCode"])
    assert call(node, token, poll) == "AuthorizationPendingException"
    with other.ctx() as ctx:
        with ctx.snapshot() as reader:
            waiting = device_codes.find_by_code(reader, begun["userCode"].replace("-", ""), ctx)
        assert waiting is not None
        device_codes.settle(waiting, "approved", sign_in(people, other), ctx)
    people.server.clock.move(_LATER)
    found = call(node, token, poll)
    assert found["accessToken"]
    people.server.clock.move(_LATER)
    assert call(other, CreateToken(), poll) == "ExpiredTokenException"


def test_a_code_is_redeemed_on_another_node_than_it_was_issued(people: People, other: Node) -> None:
    """One of many attempts at once on both nodes gets tokens, and they are void after the others."""
    node = people.node
    program = register(node, grant_types=["authorization_code"], redirect_uris=["http://127.0.0.1/oauth/callback"])
    challenge = to_base64url(hashlib.sha256(VERIFIER.encode()).digest())
    with node.ctx() as ctx:
        grant = CodeGrant(
            sign_in=sign_in(people, node), client_id=program["client_id"], redirect_uri=URI, challenge=challenge
        )
        code = issue_code(grant, ctx)
    given = CreateTokenParams(
        **program, grant_type="authorization_code", code=code, redirect_uri=URI, code_verifier=VERIFIER
    )
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda each: call(each, CreateToken(), given), [node, other] * 3))
    assert found.count("InvalidGrantException") >= len(found) - 1
