"""Every page of the portal in every state that looks different, for checks and for screenshots.

Owns the scene behind the pages: a server whose roles, providers, log and clock produce each state.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from tests.portal.command import Command
from tests.portal.conftest import ACCOUNT, OTHER, Visit, furnish, trusting
from tests.portal.idp import IdpSite

from daypass.config import ClientSetting, Config
from daypass.testing.plugin import client_factory
from daypass.testing.saml import Assertion
from daypass.testing.saml_forge import make_key_pair
from daypass.testing.server import RunningServer, running_server

Shown = tuple[str, Page]

MANY, VAST = 12, 300
CHAINS = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}
MAY = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}}
# Names that callers can choose: markup, right-to-left text, a very long string, zero-width characters.
HOSTILE = "</pre><script>alert(1)</script>\u202etxt.exe\u2066\u200b" + "x" * 400


@dataclass(frozen=True)
class Scene:
    """A server, its providers of both kinds, and its log."""

    server: RunningServer
    idp: IdpSite
    post_only: IdpSite
    log: Path

    @property
    def url(self) -> str:
        """The URL of the server."""
        return self.server.url

    def log_refusals(self, *events: dict[str, Any]) -> None:
        """Replace the content of the audit log with events."""
        self.log.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Run the server and its providers."""
    log = folder / "audit.jsonl"
    # This address does not respond, and the server may not connect to it.
    away = ClientSetting("https://127.0.0.1:9", "daypass")
    with (
        running_server(account=ACCOUNT, config=Config(audit_log=str(log), oidc_clients=(away,))) as server,
        IdpSite(make_key_pair(), f"{server.url}/saml", server.clock.now) as idp,
        IdpSite(make_key_pair(), f"{server.url}/saml", server.clock.now) as post_only,
    ):
        iam = client_factory(server)("iam")
        names = ["developer", "readonly", *(f"project-{number:02}" for number in range(MANY))]
        pairs = furnish(iam, idp, dict.fromkeys(names, 43_200))
        iam.put_role_policy(RoleName="developer", PolicyName="look", PolicyDocument=json.dumps(MAY))
        iam.create_account_alias(AccountAlias="acme-production")
        metadata = post_only.idp.metadata_xml()
        redirect = metadata.index("<md:SingleSignOnService")
        metadata = metadata[:redirect] + metadata[metadata.index("<md:SingleSignOnService", redirect + 1) :]
        iam.create_saml_provider(Name="formal", SAMLMetadataDocument=metadata)
        pairs += _furnish_vast(client_factory(server)("iam", server.new_account(OTHER)), idp)
        _furnish_chains(iam)
        closed = f"arn:aws:iam::{ACCOUNT}:role/nobody,{pairs[0].partition(',')[2]}"
        idp.assertion = Assertion(roles=(*pairs, closed), session_name="alice", name_id="alice@example.org")
        yield Scene(server, idp, post_only, log)


def _furnish_chains(iam: Any) -> None:
    """Create users, a chain of roles, and each kind of condition that the graph shows."""
    here = f"arn:aws:iam::{ACCOUNT}:"
    for name in ("carol", "dave", "erin"):
        iam.create_user(UserName=name)
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    hostile = {"StringEquals": {"sts:ExternalId": HOSTILE[:200]}}
    for name, who, condition in (
        ("build", [f"{here}user/carol", f"{here}user/dave"], {}),
        ("deploy", [f"{here}role/build"], {}),
        ("admin", [f"{here}role/deploy", f"{here}user/erin"], mfa),
        ("vendor", [OTHER], hostile),
    ):
        statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole", "Condition": condition}
        trust = {"Version": "2012-10-17", "Statement": statement}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        iam.put_role_policy(RoleName=name, PolicyName="chain", PolicyDocument=json.dumps(CHAINS))
    iam.create_role(
        RoleName="machines",
        AssumeRolePolicyDocument=json.dumps(
            {**trust, "Statement": {**statement, "Principal": {"Service": "ec2.amazonaws.com"}, "Condition": {}}}
        ),
    )
    gone = {**trust, "Statement": {**statement, "Effect": "Deny", "Principal": {"AWS": ACCOUNT}, "Condition": {}}}
    iam.create_role(RoleName="closed", AssumeRolePolicyDocument=json.dumps(gone))


def _furnish_vast(iam: Any, idp: IdpSite) -> list[str]:
    """Create an account with three hundred roles: half are equal, half have their own user."""
    pairs = furnish(iam, idp, {"vast": 3_600})
    iam.put_role_policy(RoleName="vast", PolicyName="look", PolicyDocument=json.dumps(MAY))
    iam.create_account_alias(AccountAlias="acme-vast")
    provider = pairs[0].partition(",")[2]
    for number in range(VAST // 2):
        iam.create_role(RoleName=f"team-{number:03}", AssumeRolePolicyDocument=trusting(provider))
        iam.create_user(UserName=f"user-{number:03}")
        user = f"arn:aws:iam::{OTHER}:user/user-{number:03}"
        statement = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
        trust = {"Version": "2012-10-17", "Statement": statement}
        iam.create_role(RoleName=f"own-{number:03}", AssumeRolePolicyDocument=json.dumps(trust))
    return pairs


def _sign_in(there: Scene, visit: Visit, look: dict[str, Any]) -> Iterator[Shown]:
    page = visit(f"{there.url}/login", **look)
    yield "sign in", page
    page.get_by_role("link", name=_host(there.idp)).click()
    page.get_by_role("heading", name="Your roles").wait_for()
    page.get_by_role("button", name="Favourite: project-05").click()
    page.get_by_role("button", name="Favourite: vast").first.click()
    page.reload()
    yield "roles", page
    page.get_by_label("Find a role").fill("project-03")
    yield "roles, found", page
    page.get_by_role("button", name="Get credentials").locator("visible=true").click()
    page.locator(".clock").wait_for()
    yield "credentials", page
    page.get_by_text("Environment variables", exact=True).click()
    yield "credentials, in the environment", page
    page.get_by_label("Show secrets").check()
    yield "credentials, revealed", page
    page.get_by_text("Credentials file", exact=True).click()
    yield "credentials, in files", page
    page.get_by_text("Individual values", exact=True).click()
    yield "credentials, one by one", page
    page = visit(f"{there.url}/login", **look)
    # A script submits this form at once. A 204 response keeps the page open.
    page.route("**/sso", lambda route: route.fulfill(status=204))
    page.get_by_role("link", name=_host(there.post_only)).click()
    page.get_by_role("button", name="Continue").wait_for()
    yield "on to the provider", page


def _refused(there: Scene, visit: Visit, look: dict[str, Any]) -> Iterator[Shown]:
    page = visit(f"{there.url}/login/saml/none", **look)
    yield "no such provider", page
    page.goto(f"{there.url}/no/such/page")
    yield "nothing here", page
    page.goto(f"{there.url}/login/oidc/callback/127.0.0.1:9?state=x&code=y")
    yield "an answer nobody asked for", page
    page.goto(f"{there.url}/login")
    page.get_by_role("link", name="127.0.0.1:9").click()
    page.get_by_role("heading", name="not available").wait_for()
    yield "a provider that is away", page
    page.goto(f"{there.url}/login")
    page.get_by_role("link", name=_host(there.idp)).click()
    page.get_by_role("heading", name="Your roles").wait_for()
    there.server.clock.move(timedelta(hours=9))
    page.locator(".take").first.click()
    page.get_by_role("heading", name="Your sign-in has ended").wait_for()
    yield "the sign-in is over", page
    page.goto(f"{there.url}/login?signed-out")
    there.server.clock.reset()
    yield "signed out", page


def _cli_sign_in(there: Scene, visit: Visit, look: dict[str, Any]) -> Iterator[Shown]:
    page = visit(f"{there.url}/device", **look)
    yield "type the code", page
    _type(page, "BBBB-BBBB")
    page.get_by_text("not valid or has expired").wait_for()
    yield "a wrong code", page
    for outcome in ("Approve", "Decline"):
        page.goto(f"{there.url}/device")
        _type(page, Command(there.url, "device", machine="alice@laptop").begun["user_code"])
        if outcome == "Approve":
            page.get_by_role("heading", name="Sign in for your terminal").wait_for()
            yield f"who asks, before: {outcome}", page
            page.get_by_role("link", name=_host(there.idp)).click()
        page.get_by_role("heading", name="Approve the sign-in").wait_for()
        yield f"roles for a command, before: {outcome}", page
        page.get_by_role("button", name=outcome).first.click()
        page.wait_for_url("**/handover/d*")
        yield f"the end: {outcome}", page
    command = Command(there.url, "loopback", redirect_uri="http://127.0.0.1:9/", state="s" * 32)
    page.goto(command.begun["url"])
    yield "who asks, on this machine", page
    page.goto(f"{there.url}/handover/done")
    yield "an end without an approval", page
    page.goto(f"{there.url}/handover/at/none")
    yield "an unknown sign-in of a command", page


def _operate(there: Scene, visit: Visit, look: dict[str, Any]) -> Iterator[Shown]:
    page = visit(f"{there.url}/operator", **look)
    yield "operators sign in first", page
    enter(page, there.url, _host(there.idp), "readonly")
    page.get_by_text("iam:GetAccountAuthorizationDetails").wait_for()
    yield "not every role may look", page
    there.log_refusals(*day(there.server.clock.now()))
    enter(page, there.url, _host(there.idp), "developer")
    page.get_by_role("heading", name="Overview").wait_for()
    yield "overview", page
    page.get_by_role("link", name="Graph").click()
    page.get_by_role("heading", name="Trust graph").wait_for()
    yield "graph", page
    page.get_by_label("Find", exact=True).fill("mfa")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("match mfa").wait_for()
    yield "graph, found", page
    page.locator("td").get_by_role("link", name="role/admin").first.click()
    page.get_by_role("heading", name="Principals that can reach it").wait_for()
    yield "graph, one role", page
    page.goto(f"{there.url}/operator/graph?q=nobody+is+called+so")
    yield "graph, nothing found", page
    there.log_refusals()
    page.goto(f"{there.url}/operator/refusals")
    yield "no refusals", page
    there.log_refusals(*(refusal(number) for number in range(12)))
    page.goto(f"{there.url}/operator/refusals")
    yield "refusals", page
    there.log_refusals(*(success(number) if number % 2 else refusal(number) for number in range(12)))
    page.goto(f"{there.url}/operator/audit")
    yield "audit", page
    page.goto(f"{there.url}/operator/keys")
    yield "keys", page
    enter(page, there.url, _host(there.idp), "vast")
    page.get_by_role("link", name="Graph").click()
    page.get_by_role("heading", name="Trust graph").wait_for()
    yield "graph of very many", page


def _manage(there: Scene, visit: Visit, look: dict[str, Any]) -> Iterator[Shown]:
    page = visit(f"{there.url}/login", **look)
    enter(page, there.url, _host(there.idp), "developer")
    page.get_by_role("heading", name="Overview").wait_for()
    page.goto(f"{there.url}/operator/providers")
    yield "providers", page
    page.get_by_role("link", name="corp").first.click()
    yield "a SAML provider", page
    page.get_by_role("link", name="Test sign-in").click()
    page.get_by_role("heading", name="The sign-in would be").wait_for()
    yield "a test sign-in", page
    for kind in ("saml", "oidc", "client"):
        page.goto(f"{there.url}/operator/providers/{kind}/add")
        yield f"add a provider, {kind}", page
    page.goto(f"{there.url}/operator/roles?q=project")
    yield "role sessions", page
    page.locator("summary").first.click()
    page.get_by_role("button", name="Revoke now").locator("visible=true").click()
    page.get_by_text("that were issued before").wait_for()
    yield "role sessions, revoked", page
    page.goto(f"{there.url}/operator/people")
    page.get_by_role("heading", name="Sign-ins, newest first").wait_for()
    page.locator("summary").first.click()
    yield "people", page
    page.get_by_role("button", name="Revoke this sign-in").locator("visible=true").click()
    page.get_by_role("heading", name="You do not have this permission").wait_for()
    yield "a refusal in the console", page
    page.goto(f"{there.url}/operator/enter")
    page.get_by_role("heading", name="Open the operator console").wait_for()
    yield "the entrance of the console", page


def _empty(_: Scene, visit: Visit, look: dict[str, Any]) -> Iterator[Shown]:
    with running_server(account=ACCOUNT) as bare:
        yield "no provider yet", visit(f"{bare.url}/login", **look)


JOURNEYS: Mapping[str, Callable[..., Iterator[Shown]]] = {
    "signing in": _sign_in,
    "refusals": _refused,
    "CLI sign-in": _cli_sign_in,
    "operators": _operate,
    "operators who change": _manage,
    "nobody to sign in with": _empty,
}


def walk(there: Scene, visit: Visit, **look: Any) -> Iterator[Shown]:
    """Visit all pages in order. Each page is open when it is yielded."""
    for journey in JOURNEYS.values():
        yield from journey(there, visit, look)


def refusal(number: int) -> dict[str, Any]:
    """Return one audit event, with hostile strings in every third."""
    hostile = number % 3 == 2
    return {
        "eventTime": f"2026-11-23T03:{number:02}:00Z",
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.7",
        "userAgent": HOSTILE if hostile else "aws-cli/2.31.0 md/Botocore#1.40.0 exec-env/terminal",
        "requestID": f"{number:08}-aaaa-bbbb-cccc-dddddddddddd",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLEEXAMPLE000:alice",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/developer/{HOSTILE if hostile else 'alice'}",
            "accountId": ACCOUNT,
        },
        "requestParameters": {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/admin"},
        "errorCode": "AccessDenied" if number % 2 else "ValidationError",
        "errorMessage": f"User: arn:aws:sts::{ACCOUNT}:assumed-role/developer/alice is not authorized to perform: "
        f"sts:AssumeRole on resource: arn:aws:iam::{ACCOUNT}:role/admin",
        "additionalEventData": {"detail": "because no resource-based policy allows the sts:AssumeRole action"},
    }


def success(number: int) -> dict[str, Any]:
    """Return the event of a successful call."""
    event = refusal(number) | {"responseElements": {"credentials": {"accessKeyId": f"ASIAEXAMPLE{number:09}"}}}
    return {name: value for name, value in event.items() if not name.startswith(("error", "additional"))}


def day(now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the events of the last day, oldest first: sign-ins and refusals."""
    for minutes in range(24 * 60, 0, -7):
        at = {"eventTime": (now - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")}
        signed_in = {"eventName": "AssumeRoleWithSAML", "userIdentity": {"type": "SAMLUser"}}
        for number in range(1 + minutes * minutes % 5):
            yield (refusal(number) if minutes % 4 == 0 else success(number) | signed_in) | at


def enter(page: Page, url: str, provider: str, role: str) -> None:
    """Sign in as needed, and open the operator pages with a role."""
    page.goto(f"{url}/operator/enter")
    page.get_by_role("link", name=provider).or_(page.get_by_role("heading", name="Open the operator")).first.click()
    # Without scripts the form of the provider needs a click.
    there = page.get_by_role("heading", name="Open the operator")
    page.get_by_role("button", name="Continue as").or_(there).first.click()
    page.get_by_role("button", name=f"Open with {role} in").first.click()
    page.wait_for_load_state()


def _host(idp: IdpSite) -> str:
    return idp.url.partition("://")[2]


def _type(page: Page, code: str) -> None:
    page.get_by_label("Code").fill(code)
    page.keyboard.press("Enter")
