"""Encoded authorization messages of a gateway beside the store.

Owns the step from a denied permission to the message that sts:DecodeAuthorizationMessage opens. Leaves the content to
authorize/denial.py.
"""

from datetime import datetime

from daypass.authorize.denial import describe_denial, is_own_side_only
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Views, WouldBlockError
from daypass.directory.stored_sealing_keys import load_sealing_ring
from daypass.gateway.local_keys import DirectoryCaller
from daypass.operations.authorization_message import seal_message
from daypass.policy.authorization_request import AuthorizationRequest
from daypass.policy.evaluate import Policies
from daypass.ports import Entropy
from daypass.verify.caller import VerifiedCaller
from daypass.verify.keys import NotLoadedError


class LocalDenialSeal:
    """Seals messages with the server's own keys."""

    def __init__(self, views: Views, waiting: Views, vault: SecretBox, entropy: Entropy) -> None:
        self._views = views
        self._waiting = waiting
        self._vault = vault
        self._entropy = entropy

    def __call__(
        self, request: AuthorizationRequest, policies: Policies, caller: VerifiedCaller, now: datetime
    ) -> str | None:
        """Return the message, or None if the caller cannot decode one."""
        known = caller.known if isinstance(caller, DirectoryCaller) else None
        if known is None:
            return None
        try:
            ring = self._views.get(load_sealing_ring, self._vault)
        except WouldBlockError as problem:
            raise NotLoadedError(self._load) from problem
        return seal_message(
            describe_denial(request, policies, known, at=now),
            one_size=is_own_side_only(request, policies),
            sealing_ring=ring,
            now=int(now.timestamp()),
            entropy=self._entropy,
        )

    def _load(self) -> None:
        self._waiting.get(load_sealing_ring, self._vault)
