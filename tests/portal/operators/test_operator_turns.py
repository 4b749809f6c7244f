"""A graph uses a processor for seconds. One account must not block the graphs of another."""

from typing import Any

import pytest
from tests.documents import allow, document, trusting
from tests.saml.browser import JSON, Browser

from daypass.bootstrap import RootKey
from daypass.portal.operator import operator_pages
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer

EVERYTHING = document(allow("*"))


def entered(server: RunningServer, root: RootKey) -> str:
    """Sign in to the operator pages as a role of an account, and return the cookie."""
    make = client_factory(server)
    iam = make("iam", root)
    iam.create_user(UserName="op")
    iam.put_user_policy(UserName="op", PolicyName="all", PolicyDocument=EVERYTHING)
    trust = document(trusting({"AWS": root.account}))
    role = iam.create_role(RoleName="op", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="op", PolicyName="all", PolicyDocument=EVERYTHING)
    sts = make("sts", iam.create_access_key(UserName="op")["AccessKey"])
    given: dict[str, Any] = sts.assume_role(RoleArn=role, RoleSessionName="op")["Credentials"]
    fields = {name: str(given[name]) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    fields |= {"Expiration": given["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"), "Name": "op"}
    browser = Browser()
    browser.send(f"{server.url}/operator", fields)
    held = [f"{cookie.name}={cookie.value}" for cookie in browser.cookies]
    return "; ".join(held)


def test_an_account_has_one_graph_at_a_time(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """During one account's graph, its next one is refused, and the graph of another account is made."""
    one, other = server.root, server.new_account(standing="standalone")
    cookies = {root.account: entered(server, root) for root in (one, other)}
    monkeypatch.setattr(operator_pages, "_busy", {one.account})

    def seen(root: RootKey) -> int:
        return Browser().send(f"{server.url}/operator/graph", accept=JSON, Cookie=cookies[root.account]).status

    assert [seen(one), seen(other)] == [400, 200]
    monkeypatch.setattr(operator_pages, "_busy", set())
    assert [seen(one), seen(one), seen(other)] == [200, 200, 200]
