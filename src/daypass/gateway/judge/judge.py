"""The judge of S3 requests: what the server does with each of them.

Owns the entry points of the server. Nothing waits on the event loop: what has to wait raises NotLoadedError, and the
whole judgement is repeated on a worker thread. Leaves the steps to judgement.py.
"""

from daypass.gateway.audit_events import RequestExchange
from daypass.gateway.judge.judge_parts import JudgeParts
from daypass.gateway.judge.judgement import Judgement
from daypass.gateway.plan import Peer, Plan, Respond
from daypass.verify.head import RequestHead


class S3Judge:
    """Decides the requests of one gateway process."""

    def __init__(self, parts: JudgeParts) -> None:
        self._parts = parts

    def judge(self, head: RequestHead, peer: Peer) -> Plan:
        """Return the plan of a request without waiting.

        Raises NotLoadedError, and no other exception.
        """
        return Judgement(self._parts, head, peer, may_wait=False).plan()

    def judge_waiting(self, head: RequestHead, peer: Peer) -> Plan:
        """Return the plan of a request on a thread that may wait."""
        return Judgement(self._parts, head, peer, may_wait=True).plan()

    def refuse(self, error: Exception, peer: Peer) -> Respond:
        """Return the answer to a request without a valid head."""
        parts = self._parts
        return RequestExchange(parts.log, parts.new_request_id(), peer, None, parts.now()).refuse(error)
