"""Send webhook notifications, independently of any request.

Owns the thread, the polling of the queue and the guarded connection: https only, checked addresses, no redirects, no
proxies, limited time. A notification is signed and posted here, and retried until the webhook accepts it or it expires.
webhook_lanes.py decides which one is next. Every server of a store may send them; a claim ensures that only one does.
Source: OWASP, "Server-Side Request Forgery Prevention"; RFC 7519 for the signature.
"""

import asyncio
import hashlib
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import structlog

from daypass.background import Background
from daypass.directory import records
from daypass.directory.delegation.kept_requests import due_notifications, place_of
from daypass.directory.entities.delegation_entities import Notification
from daypass.directory.outbound import NOTIFICATIONS, issuer_url, load_issuer_rings
from daypass.directory.secret_box import SecretBox
from daypass.directory.store import Reader, RecordMissingError, Store, StoreUnavailableError
from daypass.federation.oidc.network.addresses import is_allowed
from daypass.federation.oidc.network.fetch import FetchLimits
from daypass.federation.oidc.network.resolver import AddressRefusedError, SystemLookup, VettingResolver
from daypass.federation.oidc.network.trust_store import create_context
from daypass.http.webhooks.webhook_lanes import LONGEST_PAUSE, Lane, WebhookLanes
from daypass.mint.web_identity import Algorithm
from daypass.ports import Clock

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.connector import AddrInfoType

SIGNATURE = "Daypass-Signature"

CHECK_SECONDS = 0.25
"""The time between two checks for changes of the store."""
_CHECK_ANYWAY_SECONDS = 2.0  # after which the queue is read even without a change
_PAGE = 500  # notifications per page
_MOST_READ = 2_000  # per check; the next check continues from there
_POST_SECONDS = 10.0
_CLAIM_SECONDS = 60  # after which another server may retry an attempt
_GOOD = range(200, 300)
_SIGNED_SECONDS = 300

Attempt: TypeAlias = "asyncio.Task[None]"


class WebhookSender(Background):
    """Sends notifications from its own thread.

    Undelivered ones stay in the queue.
    """

    def __init__(
        self,
        store: Store,
        vault: SecretBox,
        clock: Clock,
        *,
        public_url: str,
        limits: FetchLimits,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        super().__init__("webhook-sender", self._work)
        self._store = store
        self._vault = vault
        self._clock = clock
        self._public_url = public_url
        self._limits = limits
        self._check_seconds = check_seconds
        self._lanes = WebhookLanes()
        self._place = ""  # the position in the queue where the last check ended
        self._due = 0
        self._outcomes = {"delivered": 0, "failed": 0, "expired": 0}
        self._wake: Callable[[], object] | None = None  # ends a pause between two checks; callable from any thread

    def stop(self, timeout: float | None = None) -> None:
        """Cancel the running attempts and wait at most `timeout` seconds."""
        self.stopping.set()
        if self._wake is not None:
            with suppress(RuntimeError):  # the event loop has ended already
                self._wake()
        super().stop(timeout)

    def readings(self) -> Iterable[tuple[str, tuple[str, ...], float]]:
        """Return the readings for the metrics."""
        yield "daypass_notifications_due", (), self._due
        for outcome, count in self._outcomes.items():
            yield "daypass_notifications_total", (outcome,), count

    def _work(self) -> None:
        asyncio.run(self._deliver_until_stopped())

    async def _deliver_until_stopped(self) -> None:
        woken = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
        seen, idle = -1, 0.0
        under_way: dict[str, Attempt] = {}
        while not self.stopping.is_set():
            counter = self._store.change_counter[0]
            if counter != seen or idle >= _CHECK_ANYWAY_SECONDS:
                seen, idle = counter, 0.0
                self._begin(under_way)
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), self._check_seconds)
            idle += self._check_seconds
        for attempt in under_way.values():
            attempt.cancel()
        await asyncio.gather(*under_way.values(), return_exceptions=True)

    def _begin(self, under_way: dict[str, Attempt]) -> None:
        """Start an attempt for each notification that is due and has a lane."""
        try:
            with self._store.read() as reader:
                due = self._find_due(reader)
        except StoreUnavailableError:
            return  # The next check retries it.
        self._due = len({notification.id for notification in due})
        for notification in due:
            if self._lanes.take(notification.id, _lane(notification), now=self._now()):
                attempt = under_way[notification.id] = asyncio.create_task(self._attempt(notification))
                attempt.add_done_callback(_forget(under_way, notification.id))

    def _find_due(self, reader: Reader) -> list[Notification]:
        """Return the due notifications, from the end of the last check on.

        After the end it restarts. A notification that waits for a lane stays due: if each check started at the
        beginning, one account's could hide those of all others.
        """
        found: list[Notification] = []
        begun, now = self._place, self._now()
        while len(found) < _MOST_READ:
            page = due_notifications(reader, now=now, after=self._place, limit=_PAGE)
            found += page
            self._place = place_of(page[-1]) if len(page) == _PAGE else ""
            if not self._place:
                break
        if begun and not self._place:
            found += due_notifications(reader, now=now, limit=_PAGE)
        return found

    async def _attempt(self, notification: Notification) -> None:
        failed: bool | None = True
        try:
            failed = await self._deliver(notification)
        except StoreUnavailableError as away:
            failed = None
            structlog.get_logger().warning("notification not sent", notice=notification.id, reason=away.detail)
        finally:
            self._lanes.give_back(notification.id, failed=failed, now=self._now())

    async def _deliver(self, notification: Notification) -> bool | None:
        """Post a notification. Return whether that failed.

        Returns None if this server did not post it.
        """
        now = self._now()
        if now >= notification.expires:
            self._outcomes["expired"] += 1
            self._finish(notification)
            return None
        if not self._claim(notification, now):
            return None
        reason = await self._post(notification)
        self._outcomes["delivered" if reason is None else "failed"] += 1
        if reason is None:
            self._finish(notification)
        else:
            self._postpone(notification, reason)
        return reason is not None

    def _claim(self, notification: Notification, now: int) -> bool:
        """Claim an attempt for this minute and the next.

        No other server starts it meanwhile.
        """
        until = self._clock.now() + timedelta(seconds=3 * _CLAIM_SECONDS)
        minute = now // _CLAIM_SECONDS
        return all(
            self._store.claim(f"notice:{notification.id}:{notification.attempts}:{claimed}", until=until)
            for claimed in (minute, minute + 1)
        )

    async def _post(self, notification: Notification) -> str | None:
        """Post a notification once. Return the reason of a failure, or None."""
        # Not at the start of the server, and outside of the time for the attempt.
        import aiohttp
        from yarl import URL

        url = URL(notification.url, encoded=True)
        # In a thread that may wait: a rotation may have made a data key that this process has to learn.
        body, signature = await asyncio.to_thread(self._open_and_sign, notification)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "daypass",
            SIGNATURE: signature,
        }
        try:
            async with (
                asyncio.timeout(_POST_SECONDS),
                aiohttp.ClientSession(
                    connector=self._connector(), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
                ) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return None if answer.status in _GOOD else f"answered {answer.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            return _reason(fault)

    def _open_and_sign(self, notification: Notification) -> tuple[bytes, str]:
        """Return the body and its signature."""
        body = self._vault.decrypt(notification.sealed_body, bound_to=notification.bound_to)
        return body, self._sign(notification, body)

    def _sign(self, notification: Notification, body: bytes) -> str:
        """Return a token with the audience, the time and the hash of the body."""
        now = self._now()
        with self._store.read() as reader:
            issuer_rings = load_issuer_rings(reader, NOTIFICATIONS, self._vault)
        claims = {
            "iss": issuer_url(self._public_url, NOTIFICATIONS),
            "aud": notification.url,
            "iat": now,
            "exp": now + _SIGNED_SECONDS,
            "jti": notification.id,
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
        return issuer_rings.sign(Algorithm.ES384, claims, now=now)

    def _connector(self) -> "aiohttp.TCPConnector":
        import aiohttp

        return aiohttp.TCPConnector(
            ssl=create_context(self._limits.ca_bundle, frozenset()),
            resolver=VettingResolver(SystemLookup(), self._limits.networks),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._open_socket,
        )

    def _open_socket(self, address: "AddrInfoType") -> socket.socket:
        # Only this check sees literal addresses: aiohttp does not resolve them.
        family, kind, protocol, _, target = address
        if not is_allowed(str(target[0]), self._limits.networks):
            raise AddressRefusedError("a literal address that is not allowed")
        return socket.socket(family, kind, protocol)

    def _finish(self, notification: Notification) -> None:
        with self._store.write() as writer:
            try:
                records.delete(writer, notification)
            except RecordMissingError:
                return  # Another server has deleted it already.

    def _postpone(self, notification: Notification, reason: str) -> None:
        pause = min(2**notification.attempts, LONGEST_PAUSE)
        later = msgspec.structs.replace(notification, attempts=notification.attempts + 1, due=self._now() + pause)
        structlog.get_logger().warning("notification failed", notice=notification.id, reason=reason, again_in=pause)
        with self._store.write() as writer:
            try:
                records.replace(writer, later)
            except RecordMissingError:
                return  # Another server has delivered it meanwhile.

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _forget(under_way: dict[str, Attempt], notification_id: str) -> Callable[[Attempt], None]:
    def forget(_: Attempt) -> None:
        under_way.pop(notification_id, None)

    return forget


def _lane(notification: Notification) -> Lane:
    from yarl import URL

    host = (URL(notification.url, encoded=True).host or "").lower()
    return notification.requestor or host, host


def _reason(fault: Exception) -> str:
    """Return the reason of a failed post, for the operator's log only."""
    # aiohttp wraps errors of the resolver and of sockets in its own.
    causes = (fault, fault.__cause__, getattr(fault, "os_error", None))
    if any(isinstance(cause, AddressRefusedError) for cause in causes):
        return "the webhook has private addresses that DAYPASS_WEBHOOK_ALLOWED_NETWORKS does not allow"
    return type(fault).__name__
