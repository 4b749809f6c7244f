"""A page of another origin calls STS in Chromium, with the headers of AWS's SDK, and neither IAM nor the portal."""

from typing import Any

import pytest
from playwright.sync_api import Browser
from tests.http.raw import WHO, signed
from tests.http_servers import HttpRequest, HttpSite

from daypass.testing.server import RunningServer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.component("chromium")]

_FETCH = """async ([url, method, headers, body]) => {
    try {
        const answer = await fetch(url, {method, headers, body});
        return [answer.status, answer.headers.get('x-amzn-requestid'), await answer.text()];
    } catch (error) {
        return [0, null, String(error)];
    }
}"""
SDK = {
    "amz-sdk-invocation-id": "0b8bd1a5-4ec2-4b43-8e55-7f4a4e0d1c11",
    "amz-sdk-request": "attempt=1; max=1",
    "x-amz-user-agent": "aws-sdk-js/3.1000.0",
    "content-type": "application/x-www-form-urlencoded",
}
TOKEN = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=a&RoleSessionName=bc&WebIdentityToken=c.d.e"


def empty_page(request: HttpRequest) -> None:
    """Answer any request with an empty page."""
    request.reply(200, b"<!doctype html><title>app</title>", **{"Content-Type": "text/html"})


def test_a_page_of_another_origin_calls_sts_alone(chromium: Browser) -> None:
    """Success and refusal of STS can be read, with the request id; answers of IAM and pages cannot."""
    with running_server() as server, HttpSite(empty_page) as site:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(site.url)

        def fetch(body: str | None, headers: dict[str, str], *, path: str = "/", method: str = "POST") -> list[Any]:
            found: list[Any] = page.evaluate(_FETCH, [server.url + path, method, headers, body])
            return found

        status, request_id, text = fetch(TOKEN, SDK)
        assert (status, request_id is not None) == (400, True)
        assert "<Code>" in text
        status, request_id, text = fetch(*as_page(server, dict(WHO), "sts"))
        assert (status, request_id is not None) == (200, True)
        assert server.root.account in text
        assert fetch(TOKEN, {"content-type": "application/x-www-form-urlencoded"})[0] == 400  # without a preflight
        assert fetch(*as_page(server, {"Action": "GetUser", "Version": "2010-05-08"}, "iam"))[0] == 0
        assert fetch(None, {}, path="/login", method="GET")[0] == 0
        assert fetch("{}", {"content-type": "application/json"}, path="/token")[0] == 0
        assert fetch("x", {}, method="PUT")[0] == 0
        context.close()


def as_page(server: RunningServer, parameters: dict[str, str], service: str) -> tuple[str, dict[str, str]]:
    """Return a signed request as a page sends it: the browser adds Host."""
    extra = {name: value for name, value in SDK.items() if name != "content-type"}
    body, headers = signed(server, parameters, service=service, extra=extra)
    return body.decode(), {name: value for name, value in headers.items() if name.lower() != "host"}
