"""An operator's browser without a screen: enters with a role, fetches pages and sends their forms."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from lxml import html
from tests.documents import allow, document, trusting

from daypass.bootstrap import RootKey
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer

FORM = "application/x-www-form-urlencoded"
LOOK = allow("iam:GetAccountAuthorizationDetails")


@dataclass(frozen=True)
class Shown:
    """A response: its status, location and text."""

    status: int
    location: str
    text: str
    content_type: str

    @property
    def tree(self) -> Any:
        """The page as a tree."""
        return html.fromstring(self.text)

    @property
    def heading(self) -> str:
        """The first heading of the page."""
        return " ".join("".join(self.tree.xpath("(//h1)[1]//text()")).split())

    @property
    def title(self) -> str:
        """The title of the page."""
        return str(self.tree.findtext(".//title") or "")

    @property
    def words(self) -> str:
        """The text of the page, with single spaces."""
        return " ".join(self.tree.find("body").text_content().split())

    def form(self, action: str) -> dict[str, str]:
        """Return the hidden fields of the first form with this action."""
        for form in self.tree.iter("form"):
            if form.get("action") == action:
                return {each.get("name"): each.get("value", "") for each in form.iter("input") if each.get("name")}
        raise AssertionError(f"no form for {action}")


@dataclass
class Console:
    """A browser. It keeps cookies, and does not follow redirects."""

    server: RunningServer
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Shown:
        """Fetch a page."""
        return self._send("GET", path, None, headers)

    def post(self, path: str, fields: Mapping[str, str] | list[tuple[str, str]], **headers: str) -> Shown:
        """Send a form, as a page of this server does."""
        origin = {"Origin": self.server.url, "Sec-Fetch-Site": "same-origin"}
        return self._send("POST", path, urlencode(fields), {**origin, **headers})

    def enter(self, credentials: Mapping[str, Any]) -> Shown:
        """Start an operator session with temporary credentials."""
        fields = {name: credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
        ends = credentials["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.post("/operator", {**fields, "Expiration": ends, "Name": "operators"})

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Shown:
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=30)
        sent = {"Accept": "text/html", "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        sent |= {} if body is None else {"Content-Type": FORM}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                pair = value.partition(";")[0].partition("=")
                self.cookies[pair[0]] = pair[2].strip('"')
        connection.close()
        content_type = (answer.getheader("content-type") or "").partition(";")[0]
        return Shown(answer.status, answer.getheader("location") or "", text, content_type)


def operators_role(server: RunningServer, name: str, *statements: dict[str, Any], root: RootKey | None = None) -> str:
    """Create a role that users of its account may assume, and return its ARN."""
    iam = client_factory(server)("iam", root)
    account = (root or server.root).account
    trust = json.loads(document(trusting({"AWS": account})))
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*statements))
    return str(role["Arn"])


def assumed(server: RunningServer, role: str, *, root: RootKey | None = None, **more: Any) -> Any:
    """Return credentials of a role, for a new user of its account."""
    make = client_factory(server)
    iam = make("iam", root)
    user = f"user-of-{role.rpartition('/')[2]}"
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document(allow("sts:AssumeRole")))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return make("sts", key).assume_role(RoleArn=role, RoleSessionName="olivia", **more)["Credentials"]


def entered(server: RunningServer, name: str, *statements: dict[str, Any], root: RootKey | None = None) -> Console:
    """Return a browser with an operator session of a new role."""
    role = operators_role(server, name, LOOK, *statements, root=root)
    console = Console(server)
    answer = console.enter(assumed(server, role, root=root))
    assert answer.status == 303, answer.text
    return console
