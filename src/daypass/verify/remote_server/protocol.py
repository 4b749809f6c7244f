"""The messages between a resource server and Daypass.

Owns their fields, for both sides, and the paths. A message with a field that the receiver does not know is refused: it
might be a restriction.
"""

from collections.abc import Mapping

import msgspec

from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr
from daypass.verify.remote_server.grant_json import CallerJson, References

PREFIX = "/resource-server/v1/"
KEYS_PATH = PREFIX + "keys"
DOCUMENTS_PATH = PREFIX + "documents/"
CHANGES_PATH = PREFIX + "changes"
FACTS_PATH = PREFIX + "facts"
BUCKET_CHANGES_PATH = PREFIX + "bucket-changes"

NAME_PARAMETER = "resource-server"
"""The query parameter of every request: the name under which the resource server is registered."""

NONCES_PARAMETER = "nonces"
"""The query parameter of a resource server that understands `nonce` and `nonces` in answers: its value is 1.

Earlier resource servers do not send it, and refuse an answer with these fields. Earlier servers ignore it.
"""

WITH_NONCES = {NONCES_PARAMETER: "1"}

SERVICE = "daypass"
"""The service in the credential scope of a resource server's own requests."""


class GrantRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """POST keys: a signature of a caller, as the resource server received it.

    `inline_documents` requests the texts of the policies in the answer, instead of their hashes alone.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    string_to_sign: str
    signature: str
    session_token: str | None = None
    presigned: bool = False
    inline_documents: bool = False

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class GrantAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """The answer to POST keys.

    - `key` is the signing key of the date, region and service; `not_after` (seconds since 1970) ends its use.
    - `caller` may be cached for `max_age` seconds, until a change invalidates one of `dependencies`.
    - `revision` is the one of the snapshot that the answer was read from, and `nonce` that of its last write: the
      history that the server followed has the same nonce for this number.
    """

    key: bytes
    not_after: int
    caller: CallerJson
    documents: Mapping[str, str]
    dependencies: frozenset[str]
    revision: int
    max_age: int
    nonce: str = ""

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class ChangesAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The answer to GET changes.

    - `invalidated` are the dependencies that changed between the revision of the request and `revision`. If `reset` is
      true, everything may have changed.
    - `nonces` are those of the writes in between, oldest first, and end with that of `revision`. The next request sends
      the last one as `nonce` beside `after`, so that every node notices a history that lacks it.
    - `waited` and `age` are seconds: the time between the request and the answer, and the time since the server asked
      its database. The answer is as fresh as the request plus `waited` minus `age`.
    """

    revision: int
    waited: float
    age: float
    invalidated: frozenset[str] = frozenset()
    reset: bool = False
    nonces: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class FactRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST facts: what is known of buckets or of an account.

    `kind` is a row of the server's table of facts, `names` are its arguments.
    """

    kind: str
    names: tuple[str, ...]


class FactAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """The answer to POST facts.

    `value` depends on the kind; the rest is as in GrantAnswer.
    """

    value: msgspec.Raw
    documents: Mapping[str, str]
    dependencies: frozenset[str]
    revision: int
    max_age: int
    nonce: str = ""


class AccountFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The limits that an account sets for its resources.

    They are RCPs by level, and the keys of its organization.
    """

    resource_control: tuple[References, ...]
    resource_keys: Mapping[str, str | tuple[str, ...]]


class BucketChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """POST bucket-changes: one change of a bucket's record.

    `action` is reserve, confirm, release, begin-deletion, put-policy, delete-policy or put-public-access-block. `known`
    is whether the resource server has seen a record of the bucket. `new_block` is the public access block of a bucket
    that gets its record with this change.
    """

    action: str
    name: str
    account: str
    backend: str = ""
    region: str = ""
    known: bool = False
    policy: str = ""
    block: Mapping[str, bool] | None = None
    new_block: Mapping[str, bool] | None = None


class BucketChanged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The answer to POST bucket-changes: the error of S3, or an empty code."""

    code: str = ""
    message: str = ""
    extra: Mapping[str, str] = {}


class RefusedAnswer(msgspec.Struct, frozen=True, rename={"code": "__type"}):
    """The body of an answer that is not 200."""

    code: str
    message: str
