"""Keys from a Daypass server elsewhere.

Owns RemoteKeys: a `Keys` provider that asks the server for the derived key of each caller and scope, and caches it.
The resource server must be registered (`daypass resource-server add`).

    keys = RemoteKeys.connect("https://sts.example.com", "inventory-1", profile="inventory")
    keys.facts.start(wait=10)  # follows the changes; without it, every question raises ServiceUnavailable
    caller = verify(request, keys, service="inventory", regions=["us-east-1"], now=now)

The first question about a caller raises NotLoadedError: call its `load`, then verify again. The middlewares do so.
"""

from datetime import datetime
from hashlib import sha256
from typing import Self

import msgspec

from daypass.authenticate.sigv4.signing_key import SigV4SigningKey
from daypass.bounded_memory import BoundedMemory
from daypass.errors import ExpiredToken, Fault, InvalidClientTokenId, ServiceUnavailable, SignatureDoesNotMatch
from daypass.verify.keys import KeyClaim, KeyGrant, NotLoadedError
from daypass.verify.remote_server.feed_history import FeedPosition
from daypass.verify.remote_server.grant_json import GrantFormatError, decode_caller, references_of
from daypass.verify.remote_server.protocol import (
    CHANGES_PATH,
    DOCUMENTS_PATH,
    KEYS_PATH,
    WITH_NONCES,
    ChangesAnswer,
    GrantAnswer,
    GrantRequest,
)
from daypass.verify.remote_server.remote_facts import Fact, RemoteFacts
from daypass.verify.remote_server.server_connection import RegistrationRefusedError, ServerConnection, load_credentials

STALE_SECONDS = 60.0
_AWAY = "The service is temporarily unavailable."
_OWN_REFUSALS = (InvalidClientTokenId, ExpiredToken, SignatureDoesNotMatch)
_DOCUMENTS = 8_192
_MISMATCHES = 1_024
_encode = msgspec.json.Encoder().encode


def _named(claim: KeyClaim) -> str:
    parts = (claim.access_key_id, claim.token or "", claim.string_to_sign, claim.signature)
    return sha256("\n".join(parts).encode()).hexdigest()


class ServerChanges:
    """The feed of changes of a server."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def changes(self, after: FeedPosition, wait: float) -> ChangesAnswer:
        """Return the changes after a position.

        Raises ServiceUnavailable, or RegistrationRefusedError if the server does not serve this resource server.
        """
        parameters = {"after": str(after.number), "wait": str(wait), **WITH_NONCES}
        if after.nonce:
            parameters["nonce"] = after.nonce
        try:
            answer: ChangesAnswer | None = self._connection.get(CHANGES_PATH, ChangesAnswer, **parameters)
        except _OWN_REFUSALS as refusal:
            # The request has no other signature than the resource server's own.
            raise RegistrationRefusedError(_AWAY, detail=f"the server refused: {refusal.code}") from refusal
        except Fault as fault:
            if isinstance(fault, ServiceUnavailable):
                raise
            raise ServiceUnavailable(_AWAY, detail=f"the server refused: {fault.code}") from fault
        if answer is None:
            raise RegistrationRefusedError(_AWAY, detail="no resource server is registered")
        return answer


class _HeldKey(msgspec.Struct, frozen=True):
    grant: KeyGrant
    not_after: int


class RemoteKeys:
    """Keys from a server. `find` never blocks.

    `facts` is the cache: `facts.start()` follows the server's changes, and `close()` stops it. Connect in each process.
    """

    def __init__(self, connection: ServerConnection, facts: RemoteFacts) -> None:
        self._connection = connection
        self.facts = facts
        self._documents: BoundedMemory[str, str] = BoundedMemory(_DOCUMENTS)
        self._mismatches: BoundedMemory[str, SignatureDoesNotMatch] = BoundedMemory(_MISMATCHES)

    @classmethod
    def connect(
        cls,
        url: str,
        name: str,
        *,
        profile: str = "",
        region: str = "us-east-1",
        ca_bundle: str = "",
        stale_seconds: float = STALE_SECONDS,
    ) -> Self:
        """Connect to a server as the registered resource server `name`.

        Signs with an AWS profile, or with the credentials of the environment. Call `facts.start()` next.
        Raises ValueError if the URL is not private, or if there are no credentials.
        """
        connection = ServerConnection(url, name, load_credentials(profile), region=region, ca_bundle=ca_bundle)
        return cls(connection, RemoteFacts(ServerChanges(connection), stale_seconds=stale_seconds))

    def close(self) -> None:
        """Stop to follow the changes, and close the connections."""
        self.facts.close()
        self._connection.close()

    def find(self, claim: KeyClaim, now: datetime) -> KeyGrant:
        """Return the grant for a claim, as the protocol `Keys` says.

        Also raises ServiceUnavailable if the link to the server is stale.
        """
        token = "" if claim.token is None else sha256(claim.token.encode()).hexdigest()
        mismatch = self._mismatches.get(_named(claim))
        if mismatch is not None:
            raise mismatch.with_traceback(None)
        name = ("key", claim.access_key_id, token, claim.date, claim.region, claim.service, claim.presigned)
        try:
            held: _HeldKey = self.facts.find(name, lambda: self._fetch(claim))
        except NotLoadedError as missing:
            first = missing
            raise NotLoadedError(lambda: self._load(first, claim), is_new=missing.is_new) from None
        seconds = now.timestamp()
        expires = held.grant.caller.expires
        if expires is not None and seconds >= expires:
            raise ExpiredToken("The security token included in the request is expired")
        if seconds >= held.not_after:
            self.facts.forget(name)
            again = NotLoadedError(lambda: self.facts.refresh(name, lambda: self._fetch(claim)))
            raise NotLoadedError(lambda: self._load(again, claim))
        return held.grant

    def _load(self, missing: NotLoadedError, claim: KeyClaim) -> None:
        try:
            missing.load()
        except SignatureDoesNotMatch as mismatch:
            # Remembered by the signature itself: another request with the same key may be signed correctly.
            self._mismatches.put(_named(claim), mismatch)

    def _fetch(self, claim: KeyClaim) -> Fact:
        answer = self._ask(claim, inline=False)
        try:
            if not self._has_documents(answer):
                answer = self._ask(claim, inline=True)
                self._remember(answer)
            caller = decode_caller(answer.caller, self._text_of)
        except GrantFormatError as problem:
            raise ServiceUnavailable("The service is temporarily unavailable.", detail=str(problem)) from problem
        held = _HeldKey(KeyGrant(SigV4SigningKey(answer.key), caller), answer.not_after)
        return Fact(held, answer.dependencies, answer.revision, answer.max_age, answer.nonce)

    def _ask(self, claim: KeyClaim, *, inline: bool) -> GrantAnswer:
        request = GrantRequest(
            access_key_id=claim.access_key_id,
            session_token=claim.token,
            date=claim.date,
            region=claim.region,
            service=claim.service,
            string_to_sign=claim.string_to_sign,
            signature=claim.signature,
            presigned=claim.presigned,
            inline_documents=inline,
        )
        answer: GrantAnswer | None = self._connection.post(KEYS_PATH, _encode(request), GrantAnswer, **WITH_NONCES)
        if answer is None:
            raise ServiceUnavailable(
                "The service is temporarily unavailable.", detail="no resource server is registered"
            )
        return answer

    def _has_documents(self, answer: GrantAnswer) -> bool:
        """Fetch the documents that are not known yet.

        Returns False if the server that answers now does not have one of them.
        """
        for name in references_of(answer.caller):
            if self._documents.get(name) is None:
                text: str | None = self._connection.get(DOCUMENTS_PATH + name, str)
                if text is None:
                    return False
                self._documents.put(name, text)
        return True

    def _remember(self, answer: GrantAnswer) -> None:
        for name, text in answer.documents.items():
            self._documents.put(name, text)

    def _text_of(self, name: str) -> str:
        text = self._documents.get(name)
        if text is None:
            raise GrantFormatError("a document is missing in the server's answer")
        return text
