"""The sink `s3`: objects in CloudTrail's layout, in any store of S3.

Owns the names and the content of the objects. botocore owns signatures, credentials of profiles, and the protocol.
Source: AWS CloudTrail User Guide, "CloudTrail log file name format".

- `AWSLogs/ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHMMZ_UNIQUE.json.gz`
- A batch has one object for each account and region of its events.
- UNIQUE is a digest of the events. A retry has the same events, and replaces the object instead of adding another one.
- With `format = "ocsf"` the content is one OCSF event a line, and the folder is named OCSF instead of CloudTrail.
"""

import gzip
import json
from base64 import b32encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from daypass.audit.delivery.destination import DeliveryError, Format
from daypass.audit.delivery.sink_settings import CLOUDTRAIL, AuditSinkSetting
from daypass.audit.delivery.tls import describe_failure
from daypass.key_files import KeyFileError, read_key_file

if TYPE_CHECKING:
    from collections.abc import Callable

NO_ACCOUNT = "000000000000"
"""The account in the names of objects for events of unknown callers."""

_LONGEST_KEY = 4_096
_KEY_FORM = 'JSON: {"AccessKeyId": "…", "SecretAccessKey": "…"}, with "SessionToken" for temporary credentials'


class _Identity(msgspec.Struct, rename="camel"):
    account_id: str = ""


class _Addressed(msgspec.Struct, rename="camel"):
    event_time: str = ""
    aws_region: str = ""
    recipient_account_id: str = ""
    user_identity: _Identity = msgspec.field(default_factory=_Identity)


_read_address = msgspec.json.Decoder(_Addressed).decode


class LogObject(NamedTuple):
    """One object: its key, and its compressed content."""

    key: str
    content: bytes


class S3ObjectSink:
    """Puts the objects of each batch."""

    def __init__(self, sink: AuditSinkSetting, change: Format) -> None:
        self._sink = sink
        self._change = change
        self._client: Any = None
        if sink.key_file:
            _read_key(sink.key_file)  # a wrong file is an error at the start, not at the first event

    def send(self, lines: Sequence[bytes]) -> None:
        """Put the objects of a batch.

        Those that exist from an earlier attempt are replaced.
        """
        # Not at the start of the server.
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._open_client()
            for log in to_objects(lines, self._sink, self._change):
                client.put_object(
                    Bucket=self._sink.bucket, Key=log.key, Body=log.content, ContentType="application/x-gzip"
                )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
            raise DeliveryError(f"the store answered {status} {code[:64]}".strip()) from error
        except (BotoCoreError, OSError, ValueError) as error:
            # botocore's messages name the endpoint and the reason, and no secret.
            reason = str(error) if isinstance(error, (BotoCoreError, ValueError)) else describe_failure(error)
            raise DeliveryError(reason[:300]) from error

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open_client(self) -> Any:
        """Return the client. One with a key file is new each time, so that the file may change."""
        if self._client is not None and not self._sink.key_file:
            return self._client
        self.close()
        from botocore.config import Config
        from botocore.session import Session

        sink = self._sink
        session = Session(profile=sink.profile or None)
        config = Config(
            s3={"addressing_style": "path"} if sink.url else {},
            connect_timeout=sink.timeout_seconds,
            read_timeout=sink.timeout_seconds,
            retries={"total_max_attempts": 1},  # the sender retries
            request_checksum_calculation="when_required",  # stores older than 2025 refuse the new trailers
            proxies={},
        )
        create: Callable[..., Any] = session.create_client
        self._client = create(
            "s3",
            region_name=sink.region,
            endpoint_url=sink.url or None,
            verify=sink.ca_bundle or None,
            config=config,
            **(_read_key(sink.key_file) if sink.key_file else {}),
        )
        return self._client


def to_objects(lines: Sequence[bytes], sink: AuditSinkSetting, change: Format) -> list[LogObject]:
    """Return the objects of a batch.

    The same lines always give the same objects.
    """
    groups: dict[tuple[str, str, str], list[bytes]] = defaultdict(list)
    for line in lines:
        event = _read_address(line)
        account = event.recipient_account_id or event.user_identity.account_id or NO_ACCOUNT
        groups[account, event.aws_region or "us-east-1", event.event_time[:10]].append(line)
    return [_to_object(*group, found, sink, change) for group, found in groups.items()]


def _to_object(
    account: str, region: str, day: str, lines: Sequence[bytes], sink: AuditSinkSetting, change: Format
) -> LogObject:
    digest = sha256(b"\n".join(lines))
    unique = b32encode(digest.digest()[:10]).decode()  # 16 characters, as CloudTrail's
    time = _read_address(lines[-1]).event_time
    minute = f"{time[:16].replace('-', '').replace(':', '')}Z"
    kind = "CloudTrail" if sink.format == CLOUDTRAIL else "OCSF"
    name = f"{account}_{kind}_{region}_{minute}_{unique}.json.gz"
    folder = "/".join(filter(None, (sink.prefix, "AWSLogs", account, kind, region, day.replace("-", "/"))))
    changed = [change(line) for line in lines]
    content = b'{"Records":[' + b",".join(changed) + b"]}" if sink.format == CLOUDTRAIL else b"\n".join(changed) + b"\n"
    return LogObject(f"{folder}/{name}", gzip.compress(content, mtime=0))


def _read_key(file: str) -> Mapping[str, str]:
    """Return botocore's arguments for a key file. The message of the ValueError contains no part of the file."""
    try:
        value = json.loads(read_key_file(Path(file), most_bytes=_LONGEST_KEY))
    except KeyFileError as error:
        raise ValueError(f"key_file: {error}") from error
    except ValueError:
        value = None
    known = {
        "AccessKeyId": "aws_access_key_id",
        "SecretAccessKey": "aws_secret_access_key",
        "SessionToken": "aws_session_token",
    }
    is_valid = isinstance(value, dict) and all(isinstance(value.get(name), str) for name in list(known)[:2])
    if not isinstance(value, dict) or not is_valid:
        raise ValueError(f"key_file {file} must be {_KEY_FORM}") from None
    return {known[name]: str(text) for name, text in value.items() if name in known and text}
