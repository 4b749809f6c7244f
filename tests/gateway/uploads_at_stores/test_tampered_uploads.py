"""Tampered uploads through the gateway: none of them changes an object of a store."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.gateway.running_gateway import ALLOW_ALL, RunningGateway, running_gateway
from tests.gateway.stores import StoreServer
from tests.gateway.tampering import BODY, cases, send, send_intact
from tests.gateway.uploads import FORMS, ClientKey, UploadForm

pytestmark = pytest.mark.slow


@pytest.fixture(
    scope="module", params=[pytest.param("seaweedfs", marks=pytest.mark.component("seaweedfs")), "moto_store"]
)
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    """Run a gateway in front of each store."""
    store: StoreServer = request.getfixturevalue(request.param)
    with running_gateway(store) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> ClientKey:
    """Return the key of an assumed role that may do everything."""
    found = gateway.credentials(ALLOW_ALL)
    return ClientKey(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], "eu-test-1")


@pytest.fixture(scope="module")
def bucket(gateway: RunningGateway) -> str:
    """Create one bucket for all uploads."""
    return gateway.new_bucket()


def now() -> str:
    """Return the time of a signature."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_an_intact_upload_is_stored(gateway: RunningGateway, bucket: str, key: ClientKey, form: UploadForm) -> None:
    """Rule: every form of a body works."""
    for size in (0, 1, len(BODY)):
        assert send_intact(form, BODY[:size], ("127.0.0.1", gateway.path.port), f"/{bucket}/intact", key, now()) == 200
        assert gateway.s3().get_object(Bucket=bucket, Key="intact")["Body"].read() == BODY[:size]


def test_a_tampered_upload_is_refused_and_changes_nothing(gateway: RunningGateway, bucket: str, key: ClientKey) -> None:
    """Rule: neither an object that exists nor a new one is changed, and no answer is a success."""
    s3, address, wrong = gateway.s3(), ("127.0.0.1", gateway.path.port), []
    s3.put_object(Bucket=bucket, Key="key", Body=b"before")
    for case in cases():
        for name in ("key", "new"):
            status = send(case, address, f"/{bucket}/{name}", key, now())
            if status is not None and not 400 <= status < 500:
                wrong.append(f"{case}: {status}")
        if s3.get_object(Bucket=bucket, Key="key")["Body"].read() != b"before":
            wrong.append(f"{case}: changed")
            s3.put_object(Bucket=bucket, Key="key", Body=b"before")
    assert wrong == []
    assert len(cases()) >= 200
    assert "new" not in [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
