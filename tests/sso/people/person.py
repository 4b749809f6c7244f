"""A person with a browser, and the program that they sign in.

The person signs in with SAML. The program is written from botocore's models, as the AWS CLI uses them: it registers
itself, sends the person to /authorize, and redeems the code.
"""

import base64
import hashlib
import http.client
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from tests.documents import document
from tests.http_servers import HttpRequest, HttpSite
from tests.saml.browser import Browser

from daypass.testing.saml import Assertion, SamlIdentityProvider

SCOPE = "sso:account:access"
SESSION = "acme"
"""The name of the sso-session in the profile of docs/sign-in.md."""

_PAGE = Path(__file__).parents[3] / "docs" / "sign-in.md"


def unsigned(service: str, url: str) -> Any:
    """Return a boto3 client for calls without a signature."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )


@dataclass
class Person:
    """A person of an identity provider. `pairs` are their roles with the ARN of the provider."""

    url: str
    idp: SamlIdentityProvider
    now: Callable[[], datetime]
    pairs: Sequence[str]
    name: str = "alice"
    browser: Browser = field(default_factory=Browser)

    def __post_init__(self) -> None:
        # Browsers accept secure cookies from a loopback address.
        self.browser.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))

    def sign_in(self) -> None:
        """Sign in at the portal, as from the dashboard of the identity provider."""
        assertion = Assertion(
            roles=tuple(self.pairs),
            session_name=self.name,
            name_id=f"{self.name}@example.org",
            recipient=f"{self.url}/saml",
        )
        answer = self.browser.send(f"{self.url}/saml", {"SAMLResponse": self.idp.response(assertion, now=self.now())})
        assert answer.status == 200, answer.text
        for target, fields in answer.forms:
            if "/login/continue" in target:
                assert self.browser.send(f"{self.url}/login/continue", fields).status == 200

    def approve(self, address: str) -> dict[str, str]:
        """Open an address of /authorize and approve it; return the query that reaches the program."""
        reached: list[str] = []

        def receive(request: HttpRequest) -> None:
            reached.append(request.path)
            request.reply(200, b"ok")

        with HttpSite(receive) as program:
            page = self.browser.send(address.replace("PORT", str(program.port)))
            [(target, fields)] = [form for form in page.forms if "authorize" in form[0]]
            self.browser.send(target, {**fields, "Approve": "yes"}, Origin=self.url)
        [path] = reached
        return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()} | {
            "redirect": f"http://127.0.0.1:{program.port}/oauth/callback"
        }


@dataclass
class Program:
    """A program that signs a person in, like `aws sso login`. `url` may change to that of another node."""

    url: str
    registration: Mapping[str, Any] = field(default_factory=dict)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def register(self) -> None:
        """Register, as for the authorization code flow."""
        self.registration = unsigned("sso-oidc", self.url).register_client(
            clientName=f"botocore-client-{SESSION}",
            clientType="public",
            scopes=[SCOPE],
            grantTypes=["authorization_code", "refresh_token"],
            redirectUris=["http://127.0.0.1/oauth/callback"],
            issuerUrl=f"{self.url}/start",
        )

    @property
    def address(self) -> str:
        """The address for the browser, with the word PORT for the program's port."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self.registration["clientId"],
            "redirect_uri": "http://127.0.0.1:PORT/oauth/callback",
            "state": "5d0e7a0e-7a35-4b4b-9c2f-5b7e1f3a9f11",
            "code_challenge_method": "S256",
            "scopes": SCOPE,
            "code_challenge": challenge,
        }
        return f"{self.url}/authorize?{urlencode(query)}"

    def redeem(self, answer: Mapping[str, str]) -> dict[str, Any]:
        """Return the tokens for an approved request."""
        tokens: dict[str, Any] = unsigned("sso-oidc", self.url).create_token(
            **self.client,
            grantType="authorization_code",
            code=answer["code"],
            codeVerifier=self.verifier,
            redirectUri=answer["redirect"],
        )
        return tokens

    @property
    def client(self) -> dict[str, str]:
        """The parameters that identify the program."""
        return {name: self.registration[name] for name in ("clientId", "clientSecret")}


def signed_in(person: Person) -> tuple[Program, dict[str, Any]]:
    """Return a program with its tokens, after the person has signed in and approved it."""
    person.sign_in()
    program = Program(person.url)
    program.register()
    return program, program.redeem(person.approve(program.address))


def write_profile(home: Path, url: str, *, account: str, role: str) -> None:
    """Write the profile of docs/sign-in.md, with the values of one role."""
    text = _PAGE.read_text(encoding="utf-8").split("```ini\n")[1].split("```")[0]
    values = {
        "https://sts.example.com": url,
        "https://identitycenter.amazonaws.com/ssoins-da12345678901234": start_url(url),
        "123456789012": account,
        "developer": role,
    }
    for example, value in values.items():
        assert example in text
        text = text.replace(example, value)
    (home / ".aws").mkdir(parents=True, exist_ok=True)
    (home / ".aws" / "config").write_text(text)


def start_url(url: str) -> str:
    """Return the identifier of a deployment, as `curl -I /start` shows it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("HEAD", "/start")
        return connection.getresponse().headers["Location"]
    finally:
        connection.close()


def token_file(home: Path, session: str = SESSION) -> Path:
    """Return the file in which the AWS CLI and the SDKs keep the tokens of an sso-session."""
    return home / ".aws" / "sso" / "cache" / f"{hashlib.sha1(session.encode()).hexdigest()}.json"  # noqa: S324 - AWS's


def write_tokens(
    home: Path, program: Program, tokens: Mapping[str, Any], *, seconds: float, session: str = SESSION
) -> None:
    """Write the file as `aws sso login` does. The access token expires in some seconds."""
    file = token_file(home, session)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "startUrl": start_url(program.url),
        "region": "us-east-1",
        "accessToken": tokens["accessToken"],
        "refreshToken": tokens["refreshToken"],
        "expiresAt": _in(seconds),
        "registrationExpiresAt": _in(86_400),
        **program.client,
    }
    file.write_text(json.dumps(content))


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def furnish(iam: Any, idp: SamlIdentityProvider, *roles: str, path: str = "/") -> list[str]:
    """Register the provider in an account, and create roles that trust it; return the pairs for the assertion."""
    provider = iam.create_saml_provider(Name="corp", SAMLMetadataDocument=idp.metadata_xml())["SAMLProviderArn"]
    return [f"{create_role(iam, provider, role, path)},{provider}" for role in roles]


def create_role(iam: Any, provider: str, name: str, path: str = "/") -> str:
    """Create a role that trusts the people of a provider, and return its ARN."""
    actions = ["sts:AssumeRoleWithSAML", "sts:TagSession"]
    trust = document({"Effect": "Allow", "Principal": {"Federated": provider}, "Action": actions})
    arn: str = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn
