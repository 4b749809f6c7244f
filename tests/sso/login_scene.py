"""A person, an identity provider and a program that runs `aws login`, over sockets."""

import base64
import hashlib
import http.client
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, build_opener, urlopen

from cryptography.hazmat.primitives.asymmetric import ec
from tests.portal.idp import IdpSite
from tests.saml.browser import Answer, Browser
from tests.sso.dpop_proofs import new_key, proof

from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer

SAME = "arn:aws:signin:::devtools/same-device"
CROSS = "arn:aws:signin:::devtools/cross-device"
CALLBACK = "http://127.0.0.1:40001/oauth/callback"
ACCOUNT = "123456789012"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
DEVELOPER, AUDITOR = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("developer", "auditor"))
Token = dict[str, Any]


class _StopAtPrograms(HTTPRedirectHandler):
    """Follow redirects, except to a program: it may not run."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the next request, or None for the answer itself."""
        if newurl.startswith(CALLBACK):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Person(Browser):
    """A browser that treats loopback as secure, as Chromium and Firefox do."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._opener = build_opener(_StopAtPrograms(), HTTPCookieProcessor(self.cookies))


@dataclass
class Program:
    """A program on the person's machine: its key, its verifier and its state."""

    client_id: str = SAME
    redirect_uri: str = CALLBACK
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def challenge(self) -> str:
        """The PKCE challenge of the verifier."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode()[:-1]

    def redemption(self, code: str, /, **changes: Any) -> Token:
        """Return the body that exchanges a code. `...` removes a member."""
        body = {
            "grantType": "authorization_code",
            "code": code,
            "codeVerifier": self.verifier,
            "redirectUri": self.redirect_uri,
            **changes,
        }
        return {name: value for name, value in body.items() if value is not ...}

    def query(self, **changes: Any) -> str:
        """Return the query of the authorization request, as AWS CLI 2.36 writes it."""
        members = {
            "response_type": "code",
            "client_id": self.client_id,
            "state": self.state,
            "code_challenge_method": "SHA-256",
            "scope": "openid",
            "redirect_uri": self.redirect_uri,
            "code_challenge": self.challenge,
            **changes,
        }
        return urlencode({name: value for name, value in members.items() if value is not ...}, quote_via=quote)


@dataclass
class LoginCalls:
    """The calls of programs at a server."""

    server: RunningServer

    @property
    def now(self) -> int:
        """The time of the server, which the programs' clocks have too."""
        return int(self.server.clock.now().timestamp())

    def get(self, path: str) -> Any:
        """Return a JSON document of the server."""
        with urlopen(self.server.url + path, timeout=30) as answer:  # noqa: S310 - the test's own server
            return json.load(answer)

    def token(self, program: Program, body: Mapping[str, Any], **more: Any) -> tuple[int, Mapping[str, str], Token]:
        """Call CreateOAuth2Token as botocore does, and return status, headers and answer."""
        url = f"{self.server.url}/v1/token"
        proofs = more.get("proofs") or [proof(program.key, url, **{"iat": self.now, **more.get("claims", {})})]
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=30)
        sent = json.dumps({"clientId": program.client_id, **body}).encode()
        connection.putrequest("POST", f"/v1/token{more.get('query', '')}")
        for each in proofs if proofs != [None] else []:
            connection.putheader("DPoP", each)
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(sent)))
        connection.endheaders(sent)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(text)

    def redeem(self, program: Program, code: str, /, **changes: Any) -> Token:
        """Exchange a code, and return the answer with its status."""
        body = program.redemption(code, **changes)
        status, headers, answer = self.token(program, body)
        return {**answer, "status": status, "type": headers.get("x-amzn-errortype")}

    def refresh(self, program: Program, token: str, **more: Any) -> Token:
        """Refresh, and return the answer with its status."""
        status, headers, answer = self.token(program, {"grantType": "refresh_token", "refreshToken": token}, **more)
        return {**answer, "status": status, "type": headers.get("x-amzn-errortype")}

    def caller(self, answer: Token) -> str:
        """Return the ARN of the credentials in an answer."""
        given = answer["accessToken"]
        credentials = {
            "AccessKeyId": given["accessKeyId"],
            "SecretAccessKey": given["secretAccessKey"],
            "SessionToken": given["sessionToken"],
        }
        arn: str = client_factory(self.server)("sts", credentials).get_caller_identity()["Arn"]
        return arn


@dataclass
class LoginScene(LoginCalls):
    """A server with two roles, its identity provider, and a person's browser."""

    idp: IdpSite
    person: Person = field(default_factory=Person)

    def iam(self) -> Any:
        """Return a client of the root user."""
        return client_factory(self.server)("iam")

    def trust(self, role: str, *, is_open: bool = True) -> None:
        """Let the identity provider's people assume a role, or not."""
        document = trust_policy(is_open=is_open)
        self.iam().update_assume_role_policy(RoleName=role.rpartition("/")[2], PolicyDocument=document)

    def authorize(self, program: Program, *, person: Person | None = None, **changes: Any) -> Answer:
        """Open the program's address, signing in if the server wants it, and return the page."""
        browser = person or self.person
        page = browser.send(f"{self.server.url}/v1/authorize?{program.query(**changes)}")
        link = re.search(r'href="(/login/saml/[^"]+)"', page.text)
        if link is None:
            return page
        at_provider = browser.send(urljoin(self.server.url, link[1].replace("&amp;", "&")))
        ((target, fields),) = at_provider.forms
        return browser.send(target, fields)

    def approve(self, page: Answer, role: str = DEVELOPER, *, person: Person | None = None) -> Answer:
        """Click on a role's button."""
        choice = re.search(rf'name="Role" value="({re.escape(role)} [^"]*)"', page.text)
        assert choice is not None, page.text
        fields = {"Handle": handle_of(page), "Role": choice[1]}
        return (person or self.person).send(f"{self.server.url}/v1/authorize", fields, Sec_Fetch_Site="same-origin")

    def code(self, program: Program, role: str = DEVELOPER) -> str:
        """Return the code that the program gets."""
        answer = self.approve(self.authorize(program), role)
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["state"] == [program.state]
        return query["code"][0]

    def logged_in(self, role: str = DEVELOPER) -> tuple[Program, Token]:
        """Return a program with its first tokens."""
        program = Program()
        answer = self.redeem(program, self.code(program, role))
        assert answer["status"] == 200, answer
        return program, answer


def handle_of(page: Answer) -> str:
    """Return the handle in the form of an approval page."""
    return next(fields["Handle"] for target, fields in page.forms if target.endswith("/v1/authorize"))


def trust_policy(*, is_open: bool = True) -> str:
    """Return a trust policy for the people of the identity provider."""
    statement = {
        "Effect": "Allow" if is_open else "Deny",
        "Principal": {"Federated": PROVIDER},
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
