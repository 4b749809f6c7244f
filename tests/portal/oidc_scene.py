"""A server with two OpenID Connect providers, and a minimal browser for attacks."""

import http.client
import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.portal.conftest import ACCOUNT

from daypass.config import ClientSetting, Config
from daypass.federation.oidc.issuers.client import Client
from daypass.testing.oidc import OidcIssuer
from daypass.testing.oidc_sign_in import SignInPages
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

CLIENT, SECRET, OTHER_CLIENT = "daypass at acme", "s3cret:%+ä", "daypass at beta"


@dataclass(frozen=True)
class Scene:
    """A server, its issuer, and another issuer whose client is public."""

    server: RunningServer
    issuer: OidcIssuer
    other: OidcIssuer

    @property
    def pages(self) -> SignInPages:
        """The sign-in pages of the issuer."""
        return pages_of(self.issuer)

    @property
    def details(self) -> list[str]:
        """The details of refused sign-ins in the audit log."""
        events = self.server.audit.audit_records
        return [one.fault.detail for one in events if one.action == "OIDCSignIn" and one.fault is not None]


def pages_of(issuer: OidcIssuer) -> SignInPages:
    """Return the sign-in pages of an issuer."""
    assert issuer.sign_in is not None
    return issuer.sign_in


def callback(server: str, issuer: OidcIssuer) -> str:
    """Return the redirect URI of a provider."""
    return f"{server}/login/oidc/callback/{issuer.url.removeprefix('https://')}"


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Run them. The client id and secret contain characters that need escaping."""
    secret = folder / "secret"
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    secret.chmod(0o600)
    running: list[RunningServer] = []

    def now() -> float:
        return running[0].clock.now().timestamp()

    with OidcIssuer(now=now) as issuer, OidcIssuer(path="/realms/beta", authority=issuer.authority, now=now) as other:
        config = Config(
            oidc_ca_bundle=str(issuer.ca_bundle),
            oidc_allowed_networks=(ipaddress.ip_network("127.0.0.0/8"),),
            oidc_clients=(ClientSetting(issuer.url, CLIENT, str(secret)), ClientSetting(other.url, OTHER_CLIENT)),
        )
        with running_server(account=ACCOUNT, config=config) as server:
            running.append(server)
            issuer.sign_in = SignInPages(CLIENT, SECRET, callback(server.url, issuer))
            other.sign_in = SignInPages(OTHER_CLIENT, "", callback(server.url, other))
            iam = client_factory(server)("iam")
            _roles(iam, issuer, CLIENT, (("engineer", "sub-1"), ("auditor", "sub-1"), ("elsewhere", "sub-2")))
            _roles(iam, other, OTHER_CLIENT, (("partner", "sub-1"),))
            yield Scene(server, issuer, other)


def _roles(iam: Any, issuer: OidcIssuer, client: str, roles: tuple[tuple[str, str], ...]) -> None:
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[client])
    name = issuer.url.removeprefix("https://")
    for role, subject in roles:
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": provider["OpenIDConnectProviderArn"]},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{name}:sub": subject, f"{name}:aud": client}},
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)


def later(there: Scene) -> None:
    """Move the clock past the cache time of discovery documents; a sign-in takes longer."""
    there.server.clock.move(timedelta(minutes=6))


def be_honest(there: Scene) -> None:
    """Reset both providers to correct behaviour, and clear the cached discovery."""
    later(there)
    honest = {"sub": "sub-1", "email": "alice+x@example.org"}
    for issuer, client in ((there.issuer, CLIENT), (there.other, OTHER_CLIENT)):
        secret = SECRET if client == CLIENT else ""
        issuer.sign_in = SignInPages(client, secret, callback(there.server.url, issuer), claims=dict(honest))
        issuer.answers.clear()
        issuer.discovery_changes.clear()
        issuer.requests.clear()


@dataclass
class Errand:
    """A browser that starts a sign-in and sends any response that a test gives it."""

    server: str
    cookies: dict[str, str] = field(default_factory=dict)

    def begin(self, issuer: OidcIssuer, key: str = "", **headers: str) -> dict[str, str]:
        """Start a sign-in, and return the parameters of the authorization request.

        `key` is the client's, by default that of the client in the settings.
        """
        client = Client(issuer.url, pages_of(issuer).client_id)
        status, headers, _ = self.get(f"/login/oidc/{key or client.key}", **headers)
        assert status == 303
        return dict(parse_qsl(urlsplit(headers["location"]).query))

    def get(self, address: str, **headers: str) -> tuple[int, dict[str, str], str]:
        """Fetch a URL of the server with the cookies of this browser."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send("GET", address, "", {"Accept": "text/html"} | given)

    def post(
        self, address: str, fields: Mapping[str, str], *, accept: str = "text/html", **headers: str
    ) -> tuple[int, dict[str, str], str]:
        """Post a form with the cookies of this browser."""
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": accept}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send("POST", address, urlencode(fields), kind | given)

    def post_text(self, address: str, form: str) -> str:
        """Send a form as another site does, and return the text of the page."""
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
        return self._send("POST", address, form, {**kind, "Origin": "https://idp.example.org"})[2]

    def _send(
        self, method: str, address: str, body: str, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(urlsplit(self.server).netloc, timeout=30)
        path = address.removeprefix(self.server)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, {**headers, "Cookie": cookies})
        answer = connection.getresponse()
        text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                pair = value.partition(";")[0].partition("=")
                self.cookies[pair[0]] = pair[2].strip('"')
                if not self.cookies[pair[0]]:
                    del self.cookies[pair[0]]
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text

    def come_back(self, address: str, **answer: str) -> str:
        """Fetch a redirect URI with a response, and return the text of the page."""
        return self.get(f"{address}?{urlencode(answer)}")[2]


def code_for(issuer: OidcIssuer, asked: dict[str, str]) -> str:
    """Return the code of the provider for a request."""
    back = pages_of(issuer).authorize(f"/authorize?{urlencode(asked)}", issuer.url)
    assert back is not None
    return dict(parse_qsl(urlsplit(back).query))["code"]
