"""Odd requests of a caller that may use one folder: it neither reads nor changes anything else.

The requests go through the whole gateway to a store. What the caller must not see is in the other objects' contents and
names, so the test needs no idea of its own about the meaning of a request.
"""

import hmac
import re
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPResponse
from random import Random
from urllib.parse import quote, unquote

import pytest
from tests.gateway.running_gateway import RunningGateway, running_gateway
from tests.gateway.stores import StoreServer
from tests.gateway.uploads import ClientKey, signing_key
from tests.verify.s3.odd_requests import OddRequest, OddRequests

pytestmark = pytest.mark.slow

SECRET = b"the content of another folder"
REQUESTS = 600
_VALUES = (
    "secret/",
    "secret/hidden",
    "public/",
    "public",
    "",
    "s",
    "hidden",
    "/",
    "z",
    "c2VjcmV0Lw==",
    "~",
    "public/b",
)
_MEMBERS = {
    "list-type=2": ("continuation-token", "start-after", "delimiter", "max-keys"),
    "list-type=1": ("marker", "delimiter", "max-keys"),
    "uploads": ("key-marker", "delimiter"),
}
_NAMES = re.compile(rb"<(?:Key|Prefix)>([^<]*)</")


@pytest.fixture(
    scope="module", params=["moto_store", pytest.param("seaweedfs", marks=pytest.mark.component("seaweedfs"))]
)
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway in front of each store."""
    store: StoreServer = request.getfixturevalue(request.param)
    with running_gateway(store) as running:
        yield running


class FolderCaller:
    """A caller that may use public/ of one of two buckets, and sends requests exactly as they are."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.buckets = gateway.new_bucket(), gateway.new_bucket()
        self.store = gateway.store.client()
        for bucket in self.buckets:
            for key in ("secret/hidden", "secret/x", "hidden", "publicity/hidden", "public/x", "public/b/x"):
                self.store.put_object(Bucket=bucket, Key=key, Body=SECRET if "public/" not in key else b"public")
            self.store.create_multipart_upload(Bucket=bucket, Key="secret/hidden")
        arn = f"arn:aws:s3:::{self.buckets[0]}"
        found = gateway.credentials(
            {"Effect": "Allow", "Action": "s3:*", "Resource": f"{arn}/public/*"},
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
                "Resource": arn,
                "Condition": {"StringLike": {"s3:prefix": "public/*"}},
            },
        )
        self.key = ClientKey(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], "eu-test-1")
        self.before = self.others()

    def others(self) -> dict[tuple[str, str], str]:
        """Return the ETags of the objects that the caller must not change."""
        found = {}
        for bucket in self.buckets:
            for each in self.store.list_objects_v2(Bucket=bucket)["Contents"]:
                if bucket != self.buckets[0] or not each["Key"].startswith("public/"):
                    found[bucket, each["Key"]] = each["ETag"]
        return found

    def send(self, request: OddRequest) -> tuple[int, bytes]:
        """Sign and send a request, and return the status and the body of the answer."""
        path, _, query = request.target.partition("?")
        body = b"attack" if request.method in {"PUT", "POST"} else b""
        headers = {
            **request.headers,
            "host": f"127.0.0.1:{self.gateway.path.port}",
            "x-amz-content-sha256": sha256(body).hexdigest(),
            "x-amz-date": f"{self.gateway.server.clock.now():%Y%m%dT%H%M%SZ}",
            "x-amz-security-token": self.key.token,
        }
        names = sorted(headers)
        pairs = sorted((quoted(name), quoted(value)) for name, _, value in map(partition, query.split("&")) if name)
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
        canonical = "\n".join(
            (
                request.method,
                quoted(path, "/"),
                "&".join(f"{name}={value}" for name, value in pairs),
                lines,
                ";".join(names),
                headers["x-amz-content-sha256"],
            )
        )
        stamp = headers["x-amz-date"]
        scope = f"{stamp[:8]}/{self.key.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(signing_key(self.key, stamp[:8]), text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key.access_key_id}/{scope}, SignedHeaders={';'.join(names)}, "
            f"Signature={signature}"
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, "content-length": str(len(body))}.items())
        client = self.gateway.path.connect()
        client.send(f"{request.method} {request.target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        with client.socket:
            answer = HTTPResponse(client.socket, method=request.method)
            answer.begin()
            return answer.status, answer.read()


def partition(part: str) -> tuple[str, str, str]:
    """Return the name, the equals sign and the value of a part of a query."""
    return part.partition("=")


def quoted(text: str, safe: str = "") -> str:
    """Return the spelling of a text in a canonical request."""
    return quote(unquote(text, errors="surrogateescape"), safe="-_.~" + safe, errors="surrogateescape")


@pytest.mark.timeout(300)
def test_odd_requests_stay_in_the_folder_of_the_caller(gateway: RunningGateway) -> None:
    """Spellings of paths, queries and copy sources do not lead out of it."""
    caller, random = FolderCaller(gateway), Random(7)  # noqa: S311 - the same requests in each run
    odd, statuses, wrong = OddRequests(random, caller.buckets), set(), []
    for _ in range(REQUESTS):
        request = odd.draw()
        if random.random() < 0.5:
            target = request.target.replace(caller.buckets[1], caller.buckets[0]).replace("/secret/", "/public/", 1)
            request = OddRequest(request.method, target, request.headers)
        status, answer = caller.send(request)
        statuses.add(status)
        if SECRET in answer:
            wrong.append(f"{request} returned {answer!r}")
    assert wrong == []
    assert caller.others() == caller.before
    assert {200, 400, 403} <= statuses


@pytest.mark.timeout(300)
def test_odd_lists_stay_within_the_prefix_of_the_policy(gateway: RunningGateway) -> None:
    """Markers, tokens and delimiters do not show a name outside of it."""
    caller, random = FolderCaller(gateway), Random(8)  # noqa: S311 - the same requests in each run
    wrong, shown = [], 0
    for _ in range(REQUESTS):
        kind = random.choice(tuple(_MEMBERS))
        members = [kind, f"prefix={quote(random.choice(('public/', 'public/', 'public/b', 'public/none')), safe='')}"]
        for name in random.sample(_MEMBERS[kind], random.randrange(len(_MEMBERS[kind]) + 1)):
            value = random.choice(("1", "2", "1000")) if name == "max-keys" else random.choice(_VALUES)
            members.append(f"{name}={quote(value, safe='')}")
        query = "&".join(member for member in members if member != "list-type=1")
        request = OddRequest("GET", f"/{caller.buckets[0]}?{query}", {})
        status, answer = caller.send(request)
        names = [unquote(name.decode()) for name in _NAMES.findall(answer)] if status == 200 else []
        shown += bool(names)
        wrong += [f"{request}: {name}" for name in names if name and not name.startswith("public/")]
    assert wrong == []
    assert shown > REQUESTS / 4
