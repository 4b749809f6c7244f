"""Calls with the proof of an identity provider: web identity tokens, whose keys are pinned, and SAML responses."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import count, cycle
from urllib.parse import urlencode

from tests.costs.loop import LoopServer, find_text

from daypass.directory import records
from daypass.directory.entities.oidc_entities import OidcProvider
from daypass.federation.oidc.issuers.operator_terms import set_terms
from daypass.testing.saml import Assertion, SamlIdentityProvider
from daypass.testing.tokens import SigningKey, compact

_ISSUER = "issuer.costs.example"
_AUDIENCE = "sts.amazonaws.com"
_SUBJECT = "system:serviceaccount:costs:costs"
_RESPONSES = 32

Requests = Mapping[str, Callable[[], bytes]]


async def web_identity_requests(server: LoopServer) -> Requests:
    """Return AssumeRoleWithWebIdentity with tokens of two algorithms, no two alike."""
    keys = {name: SigningKey.generate(name, name) for name in ("RS256", "ES256")}
    made = await server.call(
        server.root,
        "iam",
        {
            "Action": "CreateOpenIDConnectProvider",
            "Url": f"https://{_ISSUER}",
            "ClientIDList.member.1": _AUDIENCE,
        },
    )
    provider = find_text(made, "OpenIDConnectProviderArn")
    with server.store.write() as writer:
        [stored] = records.each(writer, OidcProvider, None)
        set_terms(writer, stored, pinned_keys=json.dumps({"keys": [key.jwk() for key in keys.values()]}))
    condition = {"StringEquals": {f"{_ISSUER}:aud": _AUDIENCE, f"{_ISSUER}:sub": _SUBJECT}}
    role_arn = await _make_role(server, "costs-web", provider, "sts:AssumeRoleWithWebIdentity", condition)
    numbers = count()

    def request(key: SigningKey) -> bytes:
        parameters = {"RoleArn": role_arn, "RoleSessionName": f"costs-{next(numbers)}"}
        token = compact({"alg": key.alg, "typ": "JWT", "kid": key.kid}, _claims(next(numbers)), key)
        return _unsigned({"Action": "AssumeRoleWithWebIdentity", **parameters, "WebIdentityToken": token})

    return {
        "assume_role_with_web_identity": partial(request, keys["RS256"]),
        "assume_role_with_web_identity_es256": partial(request, keys["ES256"]),
    }


async def saml_requests(server: LoopServer) -> Requests:
    """Return AssumeRoleWithSAML with responses of the usual size, which grant two roles."""
    idp = SamlIdentityProvider()
    made = await server.call(
        server.root,
        "iam",
        {"Action": "CreateSAMLProvider", "Name": "costs", "SAMLMetadataDocument": idp.metadata_xml()},
    )
    provider = find_text(made, "SAMLProviderArn")
    role_arn = await _make_role(server, "costs-saml", provider, "sts:AssumeRoleWithSAML", {})
    now = datetime.now(UTC)
    roles = (f"{role_arn},{provider}", f"{role_arn}-other,{provider}")
    responses = cycle([idp.response(Assertion(roles=roles), now=now) for _ in range(_RESPONSES)])

    def request() -> bytes:
        proof = {"PrincipalArn": provider, "SAMLAssertion": next(responses)}
        return _unsigned({"Action": "AssumeRoleWithSAML", "RoleArn": role_arn, **proof})

    return {"assume_role_with_saml": request}


async def _make_role(
    server: LoopServer, name: str, provider: str, action: str, condition: Mapping[str, Mapping[str, str]]
) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": action,
        "Condition": condition,
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    parameters = {"Action": "CreateRole", "RoleName": name, "AssumeRolePolicyDocument": trust}
    return find_text(await server.call(server.root, "iam", parameters), "Arn")


def _claims(number: int) -> Mapping[str, object]:
    now = int(time.time())
    workload = {"namespace": "costs", "serviceaccount": {"name": "costs", "uid": f"uid-{number}"}}
    return {
        "iss": f"https://{_ISSUER}",
        "sub": _SUBJECT,
        "aud": [_AUDIENCE],
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "jti": f"costs-{number}",
        "kubernetes.io": workload,
    }


def _unsigned(parameters: Mapping[str, str]) -> bytes:
    body = urlencode({**parameters, "Version": "2011-06-15"}).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:7777\r\nUser-Agent: daypass-costs\r\n"
        f"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
