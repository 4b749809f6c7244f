"""Claims as a resource server makes them from a request that botocore signed."""

from datetime import UTC, datetime
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from daypass.verify.keys import KeyClaim, KeyGrant, NotLoadedError
from daypass.verify.remote import RemoteKeys


class _Recording(S3SigV4Auth):  # type: ignore[misc] # botocore has no types
    """Keeps the string that it signed."""

    signed = ""

    def string_to_sign(self, request: Any, canonical_request: Any) -> str:
        self.signed = super().string_to_sign(request, canonical_request)
        return self.signed


def claim_of(credentials: Credentials, *, region: str = "us-east-1", service: str = "s3") -> KeyClaim:
    """Return the claim of a GET of an object, signed now."""
    signer = _Recording(credentials, service, region)
    request = AWSRequest("GET", "http://s3.example/bucket/key")
    signer.add_auth(request)
    stamp = request.context["timestamp"]
    return KeyClaim(
        access_key_id=credentials.access_key,
        token=credentials.token,
        date=stamp[:8],
        region=region,
        service=service,
        string_to_sign=signer.signed,
        signature=request.headers["Authorization"].rpartition("Signature=")[2],
        presigned=False,
        signed_at=datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
    )


def load(keys: RemoteKeys, claim: KeyClaim, now: datetime) -> KeyGrant:
    """Return the grant, loading it if it is not at hand."""
    try:
        return keys.find(claim, now)
    except NotLoadedError as missing:
        missing.load()
    return keys.find(claim, now)
