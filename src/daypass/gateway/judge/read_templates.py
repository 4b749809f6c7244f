"""What the reads of one caller, client and bucket have in common.

Owns the template of such reads and its memory. similar_reads.py has the rules of its use.
"""

import msgspec

from daypass.bounded_memory import BoundedMemory
from daypass.gateway.buckets.buckets import Bucket
from daypass.gateway.plan import Backend, Peer
from daypass.policy.authorization_request import ConditionKeys
from daypass.policy.evaluate import Policies
from daypass.verify.caller import VerifiedCaller
from daypass.verify.head import HeaderOutline, RequestHead
from daypass.verify.hidden_members import hidden_repr, hidden_rich_repr
from daypass.verify.s3.operations.object_keys import KeyRule
from daypass.verify.s3.resign import BackendAddress, HeadForm
from daypass.verify.signature import VerifiedRequest

ReadName = tuple[str, str, HeaderOutline, int, str, bytes | None, bytes | None, str, bool, str, str]
"""What the plans of reads with one template depend on, except key, time, caller and values for the store."""

_CAPACITY = 1_024
_LONGEST_VALUES = 512  # bytes of the two headers of the client that are parts of a name


class ReadTemplate(msgspec.Struct, frozen=True, eq=False):
    """The common part of the plans of similar reads.

    It does not have a decision. `keys` are the condition keys without those of the time.
    """

    caller: VerifiedCaller
    bucket: Bucket
    operation: str
    action: str
    policies: Policies
    keys: ConditionKeys
    form: HeadForm
    key_rule: KeyRule
    backend: Backend
    address: BackendAddress

    __repr__ = hidden_repr
    __rich_repr__ = hidden_rich_repr


class ReadTemplates:
    """The templates of one judge."""

    def __init__(self) -> None:
        self._known: BoundedMemory[ReadName, ReadTemplate] = BoundedMemory(_CAPACITY)
        self.find = self._known.get

    def __len__(self) -> int:
        return len(self._known)

    def keep(self, name: ReadName, template: ReadTemplate) -> None:
        """Keep a template, unless the client's headers in its name are long."""
        if len(name[5] or b"") + len(name[6] or b"") <= _LONGEST_VALUES:
            self._known.put(name, template)


def read_name(
    head: RequestHead, outline: HeaderOutline, verified: VerifiedRequest, bucket: str, peer: Peer, region: str
) -> ReadName:
    """Return the name of the template of a read of `bucket`."""
    headers = head.headers
    return (
        head.method,
        bucket,
        outline,
        id(verified.caller),
        verified.payload.value,
        headers.get(b"user-agent"),
        headers.get(b"referer"),
        peer.address,
        peer.secure,
        peer.tls_version,
        region,
    )
