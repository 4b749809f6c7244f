"""The events of sessions that a provider of identities opened: key, person and provider, without the proof."""

import json
from typing import Any

import pytest

from daypass.audit.lines import to_line
from daypass.testing.client_factory import ClientFactory
from daypass.testing.oidc import OidcIssuer
from daypass.testing.saml_idp import SamlIdp
from daypass.testing.server import RunningServer


def _last(server: RunningServer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_line(server.audit.audit_records[-1], "event"))
    return found


def _role(iam: Any, provider: str, action: str, key: str, audience: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": action,
        "Condition": {"StringEquals": {key: audience}},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn: str = iam.create_role(RoleName="federated", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn


def _issued(answer: Any) -> dict[str, Any]:
    credentials, user = answer["Credentials"], answer["AssumedRoleUser"]
    return {
        "credentials": {
            "accessKeyId": credentials["AccessKeyId"],
            "expiration": credentials["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "assumedRoleUser": {"assumedRoleId": user["AssumedRoleId"], "arn": user["Arn"]},
    }


def test_web_identity(
    daypass_server: RunningServer, daypass_client: ClientFactory, daypass_oidc_issuer: OidcIssuer
) -> None:
    """The event has the subject, the audience and the provider of the answer, the first time and from a template."""
    iam, sts, issuer = daypass_client("iam"), daypass_client("sts"), daypass_oidc_issuer
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
    key = f"{issuer.url.removeprefix('https://')}:aud"
    role = _role(iam, provider, "sts:AssumeRoleWithWebIdentity", key, "app")
    for number in range(4):
        token = issuer.token(aud="app", sub=f"machine-{number}")
        answer = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="ci", WebIdentityToken=token)
        event = _last(daypass_server)
        assert event["responseElements"] == {
            **_issued(answer),
            "subjectFromWebIdentityToken": f"machine-{number}",
            "audience": "app",
            "provider": answer["Provider"],
        }
        assert event["userIdentity"]["type"] == "WebIdentityUser"
        for secret in (token, answer["Credentials"]["SessionToken"], answer["Credentials"]["SecretAccessKey"]):
            assert secret not in json.dumps(event)


def test_saml(daypass_server: RunningServer, daypass_client: ClientFactory, daypass_saml_idp: SamlIdp) -> None:
    """The event has the subject, its type, the issuer and the audience of the answer."""
    iam, sts, idp = daypass_client("iam"), daypass_client("sts"), daypass_saml_idp
    provider = iam.create_saml_provider(Name="corp", SAMLMetadataDocument=idp.metadata_xml())["SAMLProviderArn"]
    role = _role(iam, provider, "sts:AssumeRoleWithSAML", "SAML:aud", idp.consumer)
    idp.add_person("ada", roles=[f"{role},{provider}"])
    assertion = idp.sign_in("ada")
    answer = sts.assume_role_with_saml(RoleArn=role, PrincipalArn=provider, SAMLAssertion=assertion)
    event = _last(daypass_server)
    names = {"Subject": "subject", "SubjectType": "subjectType", "Issuer": "issuer", "Audience": "audience"}
    assert event["responseElements"] == {
        **_issued(answer),
        **{name: answer[member] for member, name in {**names, "NameQualifier": "nameQualifier"}.items()},
    }
    assert event["userIdentity"]["type"] == "SAMLUser"
    for secret in (assertion, answer["Credentials"]["SessionToken"], answer["Credentials"]["SecretAccessKey"]):
        assert secret not in json.dumps(event)


def test_a_refused_token_issues_no_key(
    daypass_server: RunningServer, daypass_client: ClientFactory, daypass_oidc_issuer: OidcIssuer
) -> None:
    """The event has an error, and null instead of elements."""
    iam, sts, issuer = daypass_client("iam"), daypass_client("sts"), daypass_oidc_issuer
    provider = iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
    key = f"{issuer.url.removeprefix('https://')}:aud"
    role = _role(iam, provider, "sts:AssumeRoleWithWebIdentity", key, "app")
    given = {"RoleArn": role, "RoleSessionName": "ci", "WebIdentityToken": issuer.token(aud="other")}
    with pytest.raises(sts.exceptions.InvalidIdentityTokenException):
        sts.assume_role_with_web_identity(**given)
    event = _last(daypass_server)
    assert (event["errorCode"], event["responseElements"]) == ("InvalidIdentityToken", None)
