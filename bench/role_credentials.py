"""GetRoleCredentials under measurement: a person signs in once, and a program gets credentials again and again.

Owns the experiment's identity provider and role. The role's trust policy has two conditions, like that of the role that
AssumeRole takes. The requests are equal, as in reality: they have no signature, no time and no name of the session.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from bench.figures import Figure, Round
from bench.servers import Server
from bench.subjects import Keys, Subject, client
from tests.sso.people.person import Person, signed_in

from daypass.testing.saml import SamlIdentityProvider

NAME = "get_role_credentials"
_VARIANTS = 256
_SHARE = 0.5


def role_credentials_subject(server: Server, admin: Keys) -> Subject:
    """Make provider and role, sign a person in, and return the subject."""
    url = f"http://127.0.0.1:{server.port}"
    iam = client("iam", server.port, admin)
    idp = SamlIdentityProvider()
    provider: str = iam.create_saml_provider(Name="bench", SAMLMetadataDocument=idp.metadata_xml())["SAMLProviderArn"]
    role = iam.create_role(RoleName="bench-person", AssumeRolePolicyDocument=_trust_of(provider))["Role"]["Arn"]
    person = Person(url, idp, lambda: datetime.now(UTC), [f"{role},{provider}"], "bench")
    token = signed_in(person)[1]["accessToken"]
    account = role.split(":")[4]
    request = (
        f"GET /federation/credentials?role_name=bench-person&account_id={account} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nAccept-Encoding: identity\r\n"
        f"User-Agent: aws-cli/2.36.7 md/awscrt#0.36.0 ua/2.1\r\nx-amz-sso_bearer_token: {token}\r\n\r\n"
    )
    return Subject(NAME, server, (request.encode(),) * _VARIANTS, b'"accessKeyId":"ASIA', share=_SHARE)


def to_assume_role(rounds: Mapping[str, Sequence[Round]]) -> Figure:
    """Return the CPU time as a multiple of that of AssumeRole. Rounds are compared pairwise."""
    pairs = zip(rounds[NAME], rounds["assume_role"], strict=True)
    return Figure(f"{NAME}_to_assume_role", median(ours.cpu_us / theirs.cpu_us for ours, theirs in pairs), "x")


def _trust_of(provider: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        "Condition": {
            "StringLike": {"SAML:aud": "*"},
            "IpAddress": {"aws:SourceIp": ["127.0.0.0/8", "::1/128"]},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
