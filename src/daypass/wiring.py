"""Build the server: the only module that chooses implementations.

Owns the choice and the order of construction. It returns values and objects that implement a Protocol.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import structlog

from daypass.audit.event import AuditRecord
from daypass.audit.required import RequiredLog
from daypass.audit.sinks import ServerSink, Sink, open_sink
from daypass.authenticate.caller import Caller
from daypass.authenticate.keychain import Keychain
from daypass.authenticate.sigv4.regions import is_aws_region
from daypass.bootstrap import is_empty
from daypass.config import Config, ConfigurationError
from daypass.directory.entities.iam_entities import LastUse
from daypass.directory.last_uses import LastUses
from daypass.directory.store import Reader, Store, StoreUnavailableError, Views, WouldBlockError, Writer
from daypass.directory.stored_sealing_keys import load_sealing_ring, save_sealing_ring
from daypass.federation.oidc.identify import KeysAtHand
from daypass.federation.oidc.issuers.client import Client
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.network.fetch import Fetcher, FetchLimits
from daypass.federation.oidc.network.trust_store import create_context
from daypass.http.app import App
from daypass.http.connection_limits import ConnectionLimits, most_connections
from daypass.http.issuers import IssuerPages
from daypass.http.metrics import Metrics, serve_metrics
from daypass.http.peer import PeerRule
from daypass.http.request_ids import RequestIds
from daypass.http.throttle import Throttle, peer_network
from daypass.http.webhooks.webhook_sender import WebhookSender
from daypass.http.work_shares import WorkShares
from daypass.maintenance import KeyMaintenance, Maintenance
from daypass.mint.sealing_keys import SealingRing, first_sealing_ring
from daypass.operations.operation import StoreAccess
from daypass.operations.registry import full_registry
from daypass.operations.request_context import RequestContext
from daypass.operations.settings import SamlRules, ServiceSettings
from daypass.pipeline import Pipeline
from daypass.policy.authorization_request import PrincipalKind
from daypass.portal.app import Portal, build_portal
from daypass.portal.site import Site
from daypass.ports import Clock, Entropy
from daypass.storage.address import Address, SqliteAddress, parse_address
from daypass.storage.cache import StoreCache
from daypass.storage.master_key import find_master_key
from daypass.storage.open import open_address
from daypass.storage.vault import Vault, open_vault
from daypass.wire.catalog import Catalog

HOME_REGION = "us-east-1"
_THREADS = 16
_HEAVY_OF_ONE, _HEAVY_OF_ALL = 2, 8  # threads that decisions over large policies may use at a time
_WRITERS_OF_ONE = 12  # threads that the writes of one account may use at a time


class SystemClock:
    """The computer's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Keys:
    """The source of the master key: its text or a file. Empty if not given."""

    text: str = ""
    file: str = ""

    def __repr__(self) -> str:
        return "<secret>"


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store that is ready to use, and the vault for its secrets."""

    store: Store
    vault: Vault
    clock: Clock
    entropy: Entropy

    @property
    def is_empty(self) -> bool:
        """Return whether the store has no accounts."""
        with self.store.read() as reader:
            return is_empty(reader)


def open_everything(config: Config, keys: Keys, *, clock: Clock | None = None) -> OpenedStore:
    """Open the store and its vault. Create a key ring if it is missing.

    Raises StoreOpenError.
    """
    clock = clock or SystemClock()
    address = parse_address(config.store_url)
    store = open_address(address, clock=clock)
    vault = _open_vault(store, address, keys)
    with store.read() as reader:
        has_ring = bool(load_sealing_ring(reader, vault).keys)
    if not has_ring:
        with store.write() as writer:
            if not load_sealing_ring(writer, vault).keys:
                save_sealing_ring(
                    writer, first_sealing_ring(now=int(clock.now().timestamp()), entropy=os.urandom), vault
                )
    return OpenedStore(store, vault, clock, os.urandom)


def _open_vault(store: Store, address: Address, keys: Keys) -> Vault:
    with store.read() as reader:
        store_is_empty = reader.revision() == 0
    master_key = find_master_key(
        address, text=keys.text or None, file=Path(keys.file) if keys.file else None, store_is_empty=store_is_empty
    )
    return open_vault(store, master_key)


class _CacheAccess:
    """Gives access to the cache alone.

    This is the hot path, so it avoids the cost of a generator.
    """

    __slots__ = ("ctx",)

    def __init__(self, ctx: RequestContext) -> None:
        self.ctx = ctx

    def __enter__(self) -> RequestContext:
        return self.ctx

    def __exit__(self, *_: object) -> None:
        """Do not close anything: only the cache was used."""


class NonBlockingView:
    """The store as the event loop uses it: a cache miss raises WouldBlockError.

    Every request comes here first, so unsigned calls are counted here. A call with an invalid signature is counted on
    the thread that detects it.
    """

    def __init__(
        self,
        opened: OpenedStore,
        views: Views,
        keychain: Keychain,
        settings: ServiceSettings,
        issuer_keys: KeysAtHand,
        within_rate_limit: Callable[[str], bool],
    ) -> None:
        self.views = views
        self._opened = opened
        self._keychain = keychain
        self._settings = settings
        self._issuer_keys = issuer_keys
        self._within_rate_limit = within_rate_limit

    def within_rate_limit(self, peer: str) -> bool:
        """Count one more unsigned call of a peer. Return whether it is allowed."""
        return self._within_rate_limit(peer)

    def failure_within_rate_limit(self, peer: str) -> bool:
        """Count one more failed authentication. Return whether it is allowed."""
        return self._within_rate_limit(peer)

    def sealing_ring(self) -> SealingRing:
        """Return the sealing keys from the cache."""
        return self.views.get(load_sealing_ring, self._opened.vault)

    def wait(self) -> None:
        """Raise WouldBlockError: only a worker thread may wait."""
        raise WouldBlockError

    def open(
        self, access: StoreAccess, now: datetime, region: str, account: str = ""
    ) -> AbstractContextManager[RequestContext]:
        """Return access to the cache alone.

        Raises WouldBlockError for any other access.
        """
        del account  # the event loop never waits
        if access is not StoreAccess.CACHE:
            raise WouldBlockError
        return _CacheAccess(self._context(now, region, None))

    def new_transaction(self) -> AbstractContextManager[Writer]:
        """Raise WouldBlockError: a transaction waits for other writers."""
        raise WouldBlockError

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Raise WouldBlockError: a store may be slow."""
        raise WouldBlockError

    def heavy_work(self, _account: str) -> AbstractContextManager[None]:
        """Raise WouldBlockError: the work takes long."""
        raise WouldBlockError

    def _context(self, now: datetime, region: str, transaction: Reader | Writer | None) -> RequestContext:
        opened = self._opened
        return RequestContext(
            now,
            region,
            self.views,
            self.sealing_ring,
            opened.entropy,
            opened.vault,
            self._keychain,
            self._settings,
            self.new_transaction,
            self.snapshot,
            transaction,
            self._issuer_keys,
            self.heavy_work,
        )


class BlockingView(NonBlockingView):
    """The store as a worker thread uses it: it waits for the database."""

    _shares = _writers = WorkShares(of_one=sys.maxsize, of_all=sys.maxsize)

    def sharing(self, shares: WorkShares, writers: WorkShares) -> Self:
        """Limit the threads that each account may use, and return this view.

        `shares` limits large decisions, `writers` calls that change data.
        """
        self._shares, self._writers = shares, writers
        return self

    def wait(self) -> None:
        """Return: a worker thread may wait."""

    @contextmanager
    def open(self, access: StoreAccess, now: datetime, region: str, account: str = "") -> Iterator[RequestContext]:
        """Open the cache, one snapshot or one transaction."""
        if access in {StoreAccess.CACHE, StoreAccess.BLOCKING}:
            yield self._context(now, region, None)
        elif access is StoreAccess.READ:
            with self._opened.store.read() as reader:
                yield self._context(now, region, reader)
        else:
            # The store has one writer at a time. Calls that wait for their turn occupy threads, so one account may not
            # use all of them.
            with self._writers.take(account), self._opened.store.write() as writer:
                yield self._context(now, region, writer)

    def new_transaction(self) -> AbstractContextManager[Writer]:
        """Open a transaction beside the request's own."""
        return self._opened.store.write()

    def snapshot(self) -> AbstractContextManager[Reader]:
        """Open a snapshot beside the request's own."""
        return self._opened.store.read()

    def heavy_work(self, account: str) -> AbstractContextManager[None]:
        """Take a share of the threads for the account."""
        return self._shares.take(account)


class CountedBlockingView(BlockingView):
    """The store as a worker thread uses it after the event loop tried."""

    def within_rate_limit(self, peer: str) -> bool:  # noqa: ARG002 - required by the Protocol
        """Allow every unsigned call: the event loop has counted it."""
        return True


def build_app(config: Config, opened: OpenedStore, *, sink: ServerSink | None = None) -> App:
    """Return the application of one server process.

    It closes the store when it stops.
    """
    cache = StoreCache(opened.store, max_entries=config.cache_entries)
    metrics = Metrics()
    sink = sink or _open_audit(config, metrics)
    keychain = Keychain(opened.vault)
    settings = ServiceSettings(
        public_url=config.url, regions=config.regions, quotas=config.quotas, saml=saml_rules(config)
    )
    issuer_keys = make_issuer_keys(config, opened.clock)
    throttle = Throttle(config.unsigned_calls_per_minute, time.monotonic, on_refusal=metrics.throttled)
    shares = WorkShares(of_one=_HEAVY_OF_ONE, of_all=_HEAVY_OF_ALL)
    writers = WorkShares(of_one=_WRITERS_OF_ONE, of_all=sys.maxsize)
    uses = LastUses()
    pipeline = Pipeline(
        catalog=Catalog.load(),
        registry=full_registry(),
        keychain=keychain,
        is_region=_region_rule(config),
        home_region=HOME_REGION,
        now=opened.clock.now,
        record=_recorder(sink, metrics, uses),
        report_bug=_report_bug,
        regions=config.regions,
        required_log=RequiredLog(sink, _counter(metrics, uses)) if config.audit_log_required else None,
    )
    rings = KeyMaintenance(
        opened.store, opened.vault, opened.clock, opened.entropy, rotate_days=config.rotate_keys_days
    )
    maintenance = Maintenance(rings.maintain, lambda: uses.flush(opened.store))
    webhook_sender = WebhookSender(
        opened.store, opened.vault, opened.clock, public_url=config.url, limits=webhook_limits(config)
    )
    workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="request")
    blocking = CountedBlockingView(
        opened, cache.loading, keychain, settings, issuer_keys, throttle.within_rate_limit
    ).sharing(shares, writers)
    peers = PeerRule(config.trusted_proxies)
    return App(
        pipeline=pipeline,
        nonblocking=NonBlockingView(
            opened, cache.cached_only, keychain, settings, issuer_keys, throttle.within_rate_limit
        ),
        blocking=blocking,
        blocking_first=BlockingView(
            opened, cache.loading, keychain, settings, issuer_keys, throttle.within_rate_limit
        ).sharing(shares, writers),
        issuer_keys=issuer_keys,
        peers=peers,
        metrics=metrics,
        workers=workers,
        is_ready=lambda: _is_ready(opened.store),
        connections=ConnectionLimits(
            config.connections_per_peer,
            most=most_connections(),
            is_proxy=peers.is_trusted,
            on_refusal=metrics.connection_refused,
        ),
        issuers=IssuerPages(config.url, cache.cached_only, cache.loading, workers),
        portal=build_portal(
            Portal(
                site=Site(pipeline, blocking, settings),
                clients=oidc_clients(config),
                fetcher=Fetcher(fetch_limits(config)),
                issuer_keys=issuer_keys,
                within_rate_limit=throttle.within_rate_limit,
                new_request_id=RequestIds(),
                report_bug=_report_bug,
                workers=workers,
                audit_file=_audit_file(config),
                rotate_days=config.rotate_keys_days,
            )
        ),
        shows_metrics=not config.metrics_port,
        on_start=(*_metrics_of(config, metrics), cache.start, maintenance.start, webhook_sender.start),
        on_stop=(webhook_sender.stop, maintenance.stop, cache.close, workers.shutdown, sink.close, opened.store.close),
        on_hangup=(sink.reopen,),
    )


def _metrics_of(config: Config, metrics: Metrics) -> tuple[Callable[[], None], ...]:
    if not config.metrics_port:
        return ()
    return (lambda: serve_metrics(config.host, config.metrics_port, metrics),)


def fetch_limits(config: Config) -> FetchLimits:
    """Return the allowed networks of issuers, and the CAs trusted there."""
    return FetchLimits(config.oidc_allowed_networks, Path(config.oidc_ca_bundle) if config.oidc_ca_bundle else None)


def webhook_limits(config: Config) -> FetchLimits:
    """Return the allowed networks of webhooks.

    A network that is allowed for issuers is not automatically allowed for webhooks.
    """
    return replace(fetch_limits(config), networks=config.webhook_allowed_networks)


def make_issuer_keys(config: Config, clock: Clock) -> IssuerKeys:
    """Return the keys of OpenID Connect issuers.

    They are fetched within the operator's limits. Raises ConfigurationError.
    """
    limits = fetch_limits(config)
    try:
        create_context(limits.ca_bundle, frozenset())
    except OSError as error:
        raise ConfigurationError(
            f"oidc_ca_bundle {limits.ca_bundle} cannot be read: {error.strerror or error}"
        ) from error
    return IssuerKeys(Fetcher(limits), clock, enforce_thumbprints=config.oidc_enforce_thumbprints)


def oidc_clients(config: Config) -> tuple[Client, ...]:
    """Return the client registrations at the sign-in providers.

    Raises ConfigurationError.
    """
    return tuple(Client(each.issuer, each.client_id, _secret(each.secret_file)) for each in config.oidc_clients)


def _secret(file: str) -> str:
    if not file:
        return ""
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        # The content of a file that is not text is not repeated: it may still be the secret.
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"oidc_clients: the secret in {file} cannot be read: {reason}") from None
    if not secret:
        # A confidential client whose secret is missing must not become a public client.
        raise ConfigurationError(f"oidc_clients: {file} does not contain a secret")
    return secret


def saml_rules(config: Config) -> SamlRules:
    """Return this installation's requirements for SAML assertions."""
    return SamlRules(
        names=frozenset(config.saml_audiences),
        addresses=frozenset(config.saml_recipients),
        allow_sha1=config.saml_allow_sha1,
        one_use=config.saml_one_use,
    )


def _open_audit(config: Config, metrics: Metrics) -> ServerSink:
    target = audit_target(config)
    try:
        return open_sink(target, metrics, peer_network)
    except OSError as error:
        raise ConfigurationError(f"cannot write the audit log {target}: {error.strerror}") from error


def _audit_file(config: Config) -> str:
    """Return the file of the audit log, or "" if it is not a file."""
    target = audit_target(config)
    return "" if target in {"-", "none"} else target


def audit_target(config: Config) -> str:
    """Return the target of audit events.

    That is the configured target, else a file beside the database, else standard output.
    """
    if config.audit_log:
        return config.audit_log
    address = parse_address(config.store_url)
    return str(address.path.absolute().with_name("audit.jsonl")) if isinstance(address, SqliteAddress) else "-"


def _region_rule(config: Config) -> Callable[[str], bool]:
    # A real region that is not served is named in the refusal once the caller is authenticated; an invalid name is not.
    if not config.regions:
        return is_aws_region
    return lambda name: is_aws_region(name) or name in config.regions


def _recorder(sink: Sink, metrics: Metrics, uses: LastUses) -> Callable[[AuditRecord], None]:
    # Inlines `_counter`: this runs for every request, and the extra call is measurable.
    def record(record: AuditRecord) -> None:
        fault = record.fault
        metrics.answered(record.action, "" if fault is None else fault.code)
        sink(record)
        if record.caller is not None and record.access_key_id:
            _note_use(record, record.caller, uses)

    return record


def _counter(metrics: Metrics, uses: LastUses) -> Callable[[AuditRecord], None]:
    def count(record: AuditRecord) -> None:
        fault = record.fault
        metrics.answered(record.action, "" if fault is None else fault.code)
        if record.caller is not None and record.access_key_id:
            _note_use(record, record.caller, uses)

    return count


def _note_use(record: AuditRecord, caller: Caller, uses: LastUses) -> None:
    """Record the use of a long-term key, or of the role of a session."""
    if caller.session is None:
        used = caller.access_key_id
    elif caller.principal.kind is PrincipalKind.ROLE_SESSION:
        used = caller.principal.unique_id
    else:
        return
    if uses.is_due(used, record.at):
        uses.note(LastUse(id=used, account=caller.account, at=record.at, region=record.region, service=record.service))


def _report_bug(request_id: str, bug: Exception) -> None:
    # The plain traceback: values of local variables may be secret, and are never logged.
    text = "".join(traceback.format_exception(bug))
    structlog.get_logger().error("bug", request_id=request_id, traceback=text)


def _is_ready(store: Store) -> bool:
    try:
        store.revision()
    except StoreUnavailableError:
        return False
    return True
