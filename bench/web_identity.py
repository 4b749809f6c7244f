"""AssumeRoleWithWebIdentity under measurement: an issuer whose keys are pinned, its tokens, and bare signature checks.

Owns the experiment's issuer. Its keys are pinned, so that no fetch is measured: a server fetches once in five minutes.
A token is used several times, as an SDK does that reads it from a file, but each session has a new name.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, cycle, islice
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from bench.figures import Figure
from bench.servers import BenchError, Cores, Server, pinned
from bench.subjects import Keys, Subject, client
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from daypass.testing.tokens import SigningKey, compact

NAME = "assume_role_with_web_identity"
ALGORITHMS: Mapping[str, str] = {"RS256": NAME, "ES256": f"{NAME}_es256"}
_ISSUER = "issuer.bench.example"
_AUDIENCE = "sts.amazonaws.com"
_SUBJECT = "system:serviceaccount:bench:bench"
_LIFE_SECONDS = 3600
_VARIANTS = 256
_SHARE = 0.5  # of a full round: the bar is on a ratio
_CHECKS, _BATCHES = 500, 9


def web_identity_subjects(server: Server, store: Path, admin: Keys) -> Iterator[Subject]:
    """Make provider, pinned keys and role, and yield one subject an algorithm."""
    keys = {algorithm: SigningKey.generate(algorithm, algorithm) for algorithm in ALGORITHMS}
    role_arn = _set_stage(server, store, admin, keys)
    for algorithm, name in ALGORITHMS.items():
        tokens = [_token(keys[algorithm], number) for number in range(_VARIANTS)]
        requests = _requests(server, role_arn, tokens)
        fresh = partial(_take, requests)
        yield Subject(name, server, (), b"<AccessKeyId>ASIA", fresh=fresh, share=_SHARE)


def _requests(server: Server, role_arn: str, tokens: Sequence[str]) -> Iterator[bytes]:
    names = count()
    return (_request(server, role_arn, token, f"bench-{next(names)}") for token in cycle(tokens))


def _take(requests: Iterator[bytes], number: int) -> Iterable[bytes]:
    return islice(requests, number)


def _set_stage(server: Server, store: Path, admin: Keys, keys: Mapping[str, SigningKey]) -> str:
    iam = client("iam", server.port, admin)
    made = iam.create_open_id_connect_provider(Url=f"https://{_ISSUER}", ClientIDList=[_AUDIENCE])
    provider = made["OpenIDConnectProviderArn"]
    published = store.with_name("bench-jwks.json")
    published.write_text(json.dumps({"keys": [key.jwk() for key in keys.values()]}))
    daypass = str(Path(sys.executable).with_name("daypass"))
    command = [daypass, "oidc", "set", provider, "--pin", str(published), "--store", f"sqlite:///{store}"]
    pinning = subprocess.run(command, capture_output=True, text=True, check=False)
    if pinning.returncode:
        raise BenchError(f"the issuer's keys were not pinned: {pinning.stderr}")
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{_ISSUER}:aud": _AUDIENCE, f"{_ISSUER}:sub": _SUBJECT}},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role_arn: str = iam.create_role(RoleName="bench-web", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return role_arn


def _token(key: SigningKey, number: int) -> str:
    now = int(time.time())
    claims = {
        "iss": f"https://{_ISSUER}",
        "sub": _SUBJECT,
        "aud": [_AUDIENCE],
        "iat": now,
        "nbf": now,
        "exp": now + _LIFE_SECONDS,
        "jti": f"bench-{number}",
        "kubernetes.io": {"namespace": "bench", "serviceaccount": {"name": "bench", "uid": f"uid-{number}"}},
    }
    return compact({"alg": key.alg, "typ": "JWT", "kid": key.kid}, claims, key)


def _request(server: Server, role_arn: str, token: str, session: str) -> bytes:
    parameters = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role_arn,
        "RoleSessionName": session,
        "WebIdentityToken": token,
    }
    body = urlencode(parameters).encode()
    head = (
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUser-Agent: daypass-bench\r\n"
        f"Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def signature_checks(cores: Cores) -> list[Figure]:
    """Measure what nobody can do without: the bare check of a signature, on the server's core."""
    with pinned(cores.server):
        return [Figure(f"bare_{algorithm.lower()}_check", _check_us(algorithm), "us") for algorithm in ALGORITHMS]


def _check_us(algorithm: str) -> float:
    check = _checker(SigningKey.generate(algorithm, algorithm), b"x" * 700)
    times = []
    for _ in range(_BATCHES):
        began = time.process_time()
        for _ in range(_CHECKS):
            check()
        times.append((time.process_time() - began) / _CHECKS * 1e6)
    return median(times)


def _checker(key: SigningKey, data: bytes) -> Callable[[], None]:
    signature, digest = key.sign(data), hashes.SHA256()
    if isinstance(key.private, rsa.RSAPrivateKey):
        modulus = key.private.public_key()
        return lambda: modulus.verify(signature, data, padding.PKCS1v15(), digest)
    if isinstance(key.private, ec.EllipticCurvePrivateKey):
        point, half = key.private.public_key(), len(signature) // 2
        der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
        return lambda: point.verify(der, data, ec.ECDSA(digest))
    raise BenchError(f"{key.alg} is not measured")


def parts_of(figures: list[Figure]) -> list[Figure]:
    """Return, for each algorithm, the whole call's cost as a multiple of its signature check and an AssumeRole."""
    value = {figure.name: figure.value for figure in figures}
    return [
        Figure(f"{name}_to_parts", value[name] / (value[f"bare_{algorithm.lower()}_check"] + value["assume_role"]), "x")
        for algorithm, name in ALGORITHMS.items()
    ]
