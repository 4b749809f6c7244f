"""What judging a SAML response costs: an everyday one, and the largest that STS takes.

Owns the two responses. They are judged in this process as AssumeRoleWithSAML judges them, from base64 to the identity;
what comes afterwards is what AssumeRole costs too.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median

from bench.figures import Figure
from bench.servers import BenchError, Cores, pinned

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
