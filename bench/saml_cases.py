"""What SAML costs: AssumeRoleWithSAML with a new response each time, and the judging of two responses without a call.

Owns the identity provider and the responses. The usual response offers two roles, the largest one as many as STS takes.
Without a call, a response is judged in this process, from base64 to the identity.
"""

import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from statistics import median
from urllib.parse import urlencode

from bench.figures import Figure
from bench.servers import BenchError, Cores, Server, pinned
from bench.subjects import SIDE, Keys, Subject, client

from daypass.federation.saml.identity import identify
from daypass.federation.saml.metadata import parse_metadata
from daypass.federation.saml.settings import SamlSettings, Trust
from daypass.testing.saml import Assertion, SamlIdentityProvider

_ACCOUNT = "111122223333"
_PROVIDER = f"arn:aws:iam::{_ACCOUNT}:saml-provider/bench"
_LONGEST = 100_000
_BATCHES, _CHECKS = 9, 20
# How many roles fill a response of the greatest length.
_MANY = 470
_ROUND_OF_RESPONSES = 800  # the provider's signature takes longer than the server's check


def assume_role_with_saml(server: Server, admin: Keys) -> Subject:
    """Make provider and roles, and return the subject. Each request has a new response with a new session name."""
    iam, idp = client("iam", server.port, admin), SamlIdentityProvider()
    made = iam.create_saml_provider(Name="bench-saml", SAMLMetadataDocument=idp.metadata_xml())
    provider: str = made["SAMLProviderArn"]
    names = ("bench-saml-1", "bench-saml-2")
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithSAML",
        "Condition": {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    roles = [iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"] for name in names]
    pairs, people = tuple(f"{role},{provider}" for role in roles), count()

    def fresh(number: int) -> Iterable[bytes]:
        now = datetime.now(UTC)
        for _ in range(number):
            assertion = Assertion(roles=pairs, session_name=f"person-{next(people)}")
            yield _request(server, roles[0], provider, idp.response(assertion, now=now))

    marker = b"<AccessKeyId>ASIA"
    return Subject("assume_role_with_saml", server, (), marker, fresh=fresh, most=_ROUND_OF_RESPONSES, share=SIDE)


def _request(server: Server, role: str, provider: str, response: str) -> bytes:
    parameters = {
        "Action": "AssumeRoleWithSAML",
        "Version": "2011-06-15",
        "RoleArn": role,
        "PrincipalArn": provider,
        "SAMLAssertion": response,
    }
    body = urlencode(parameters).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUser-Agent: daypass-bench\r\n"
        f"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def saml_figures(cores: Cores) -> list[Figure]:
    """Return the milliseconds of both, on the server's core."""
    with pinned(cores.server):
        return list(_measured())


def _measured() -> Iterator[Figure]:
    idp, now = SamlIdentityProvider(), datetime.now(UTC)
    trust = Trust(_ACCOUNT, "bench", parse_metadata(idp.metadata_xml(), now=now))
    for name, roles in (("saml_assertion_ms", 2), ("saml_largest_ms", _MANY)):
        pairs = tuple(f"arn:aws:iam::{_ACCOUNT}:role/bench-{number},{_PROVIDER}" for number in range(roles))
        response = idp.response(Assertion(roles=pairs), now=now)
        if len(response) > _LONGEST:
            raise BenchError(f"{name}: {len(response)} characters are more than STS takes")
        yield Figure(name, _milliseconds(response, trust, now), "ms")


def _milliseconds(response: str, trust: Trust, now: datetime) -> float:
    settings = SamlSettings()
    batches = []
    for _ in range(_BATCHES):
        began = time.process_time()
        for _ in range(_CHECKS):
            identify(response, trust=trust, settings=settings, now=now)
        batches.append((time.process_time() - began) / _CHECKS * 1000)
    return median(batches)
