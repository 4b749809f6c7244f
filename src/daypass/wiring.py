"""Build the server: the only module that chooses implementations.

Owns the choice and the order of construction.
"""

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from daypass.audit.required import RequiredLog
from daypass.audit.sinks import LineSink, ServerSink
from daypass.audit.targets import Stream, open_target
from daypass.authenticate.keychain import Keychain
from daypass.config import Config, ConfigurationError
from daypass.directory.last_uses import LastUses
from daypass.federation.oidc.issuers.client import Client
from daypass.federation.oidc.issuers.issuer_keys import IssuerKeys
from daypass.federation.oidc.network.fetch import Fetcher, FetchLimits
from daypass.federation.oidc.network.trust_store import create_context
from daypass.http.access_log import AccessLog
from daypass.http.app import App
from daypass.http.connection_limits import ConnectionLimits, most_connections
from daypass.http.issuers import IssuerPages
from daypass.http.late_page import LatePage, Page
from daypass.http.metrics import Metrics
from daypass.http.node_readings import app_readings, issuer_readings
from daypass.http.peer import PeerRule
from daypass.http.recorder import RecordRequest, make_counter, make_recorder, report_bug, with_debug_lines
from daypass.http.request_ids import RequestIds
from daypass.http.shared_readings import certificate_readings, process_readings
from daypass.http.throttle import Throttle
from daypass.http.webhooks.webhook_sender import WebhookSender
from daypass.key_ages import KeyAges
from daypass.key_files import KeyFileError, read_key_file
from daypass.key_maintenance import KeyMaintenance
from daypass.maintenance import Maintenance
from daypass.operations.registry import full_registry
from daypass.operations.settings import Branding, SamlRules, ServiceSettings
from daypass.pipeline import Pipeline
from daypass.ports import Clock
from daypass.regions import known_regions
from daypass.resource_server.grants import GrantSource
from daypass.resource_server.page import ResourceServerPage
from daypass.resource_server.service import ResourceServers
from daypass.sign_in.sessions import purge_store
from daypass.sso.routes import Sso
from daypass.storage.cache import StoreCache
from daypass.storage.loop_reads import LoopReads
from daypass.storage.outages import find_outages
from daypass.storage.schema_watch import health_of
from daypass.storage.store_times import find_times
from daypass.storage.unknown_keys import asking_for_keys
from daypass.storage.views import (
    BlockingView,
    CountedBlockingView,
    CountedNonBlockingView,
    NonBlockingView,
    OpenedStore,
    WorkShares,
)
from daypass.traced_pipeline import TracedPipeline, TracedSink
from daypass.traces.request_spans import TracedThreads, current_trace_id, note_fetch, note_store_call
from daypass.wire.catalog import Catalog
from daypass.wiring_audit import audit_file, audit_target, open_delivery, open_server_log
from daypass.wiring_traces import open_configured_traces

_LONGEST_SECRET = 10_000  # bytes of a file with the secret of a client
HOME_REGION = "us-east-1"
_THREADS = 16
_HEAVY_OF_ONE, _HEAVY_OF_ALL = 2, 8  # threads that decisions over large policies may use at a time
_WRITERS_OF_ONE = 12  # threads that the writes of one account may use at a time


def build_app(
    config: Config,
    opened: OpenedStore,
    *,
    sink: ServerSink | None = None,
    signature_now: Callable[[datetime], datetime] | None = None,
    loop_reads: LoopReads | None = None,
) -> App:
    """Return the application of one server process.

    It closes the store when it stops. `signature_now` is for tests: see Pipeline. `loop_reads` are the event
    loop's reads of the store, if a test measures their time itself.
    """
    loop_reads = loop_reads or LoopReads(opened.store)
    cache = StoreCache(
        opened.store, max_entries=config.cache_entries, stale_seconds=config.stale_seconds, loop_reads=loop_reads
    )
    opened = asking_for_keys(opened, cache)
    metrics = Metrics(find_outages(opened.store))
    sink = sink or _open_audit(config, metrics)
    traces = open_configured_traces(config)
    if traces is not None:
        sink = TracedSink(sink, traces.maker)
    keychain = Keychain(opened.vault)
    settings = ServiceSettings(
        public_url=config.url,
        s3_url=config.s3_url,
        regions=config.regions,
        quotas=config.quotas,
        saml=saml_rules(config),
        branding=Branding(config.organization_name, config.organization_logo, config.support_url),
        oidc_clients=oidc_clients(config),
        login_options=config.login_option,
        sign_in_session_minutes=config.sign_in_session_minutes,
        sign_in_api=config.sign_in_api,
    )
    issuer_keys = make_issuer_keys(config, opened.clock)
    throttle = Throttle(config.unsigned_calls_per_minute, time.monotonic, on_refusal=metrics.throttled)
    shares = WorkShares(of_one=_HEAVY_OF_ONE, of_all=_HEAVY_OF_ALL)
    writers = WorkShares(of_one=_WRITERS_OF_ONE, of_all=sys.maxsize)
    uses = LastUses()
    access_log = _open_access_log(config)
    noted = (*((with_debug_lines,) if config.log_level.lower() == "debug" else ()), *_noting(access_log))
    record, count = make_recorder(sink, metrics, uses), make_counter(metrics, uses)
    for wrap in noted:
        record, count = wrap(record), wrap(count)
    pipeline = (Pipeline if traces is None else TracedPipeline)(
        catalog=Catalog.load(),
        registry=full_registry(),
        keychain=keychain,
        is_region=known_regions(config.regions),
        home_region=HOME_REGION,
        now=opened.clock.now,
        record=record,
        report_bug=report_bug,
        regions=config.regions,
        required_log=RequiredLog(sink, count) if config.audit_log_required else None,
        signature_now=signature_now,
    )
    rings = KeyMaintenance(
        opened.store, opened.vault, opened.clock, opened.entropy, rotate_days=config.rotate_keys_days
    )
    ages = KeyAges(opened.store, opened.vault, opened.clock, rotate_days=config.rotate_keys_days)
    maintenance = Maintenance(
        rings.maintain,
        ages.read,
        lambda: uses.flush(opened.store, pause=maintenance.stopping.wait),
        lambda: purge_store(opened.store, opened.clock.now()),
    )
    webhook_sender = WebhookSender(
        opened.store, opened.vault, opened.clock, public_url=config.url, limits=webhook_limits(config)
    )
    metrics.add(webhook_sender.readings)
    threads = ThreadPoolExecutor if traces is None else TracedThreads
    workers = threads(_THREADS, thread_name_prefix="request")
    blocking = CountedBlockingView(
        opened, cache.loading, keychain, settings, issuer_keys, throttle.within_rate_limit
    ).sharing(shares, writers)
    peers = PeerRule(config.trusted_proxies)
    nonblocking = NonBlockingView(
        opened, cache.cached_only, keychain, settings, issuer_keys, throttle.within_rate_limit
    ).reading(loop_reads)

    def build_portal() -> Page:
        from daypass.portal import app
        from daypass.portal.site import Site

        return app.build_portal(
            app.Portal(
                site=Site(pipeline, blocking, settings),
                fetcher=Fetcher(fetch_limits(config)),
                issuer_keys=issuer_keys,
                within_rate_limit=throttle.within_rate_limit,
                new_request_id=RequestIds(),
                report_bug=report_bug,
                workers=workers,
                audit_file=audit_file(config),
                rotate_days=config.rotate_keys_days,
            )
        )

    portal = LatePage(build_portal)
    app = App(
        pipeline=pipeline,
        nonblocking=nonblocking,
        nonblocking_again=CountedNonBlockingView(
            opened, cache.cached_only, keychain, settings, issuer_keys, throttle.within_rate_limit
        ).reading(loop_reads),
        freshness=cache,
        blocking=blocking,
        blocking_first=BlockingView(
            opened, cache.loading, keychain, settings, issuer_keys, throttle.within_rate_limit
        ).sharing(shares, writers),
        issuer_keys=issuer_keys,
        peers=peers,
        metrics=metrics,
        workers=workers,
        health=lambda: health_of(cache.health(), opened.store),
        connections=ConnectionLimits(
            config.connections_per_peer,
            most=most_connections(),
            is_proxy=peers.is_trusted,
            on_refusal=metrics.connection_refused,
        ),
        issuers=IssuerPages(config.url, cache.cached_only, cache.loading, workers),
        portal=portal,
        sso=Sso(pipeline, nonblocking, blocking, issuer_keys, workers, RequestIds()),
        resource_servers=ResourceServerPage(
            ResourceServers(
                GrantSource(opened.store, opened.vault, keychain, config.quotas.buckets),
                blocking,
                now=opened.clock.now,
                is_region=known_regions(config.regions),
                record=pipeline.record,
                report_bug=report_bug,
            ),
            cache,
            workers,
        ),
        shows_metrics=not config.metrics_port,
        access_log=access_log,
        traces=traces,
        on_start=(cache.start, maintenance.start, webhook_sender.start, portal.start),
        on_stop=(
            portal.stop,
            webhook_sender.stop,
            maintenance.stop,
            cache.close,
            workers.shutdown,
            sink.close,
            opened.store.close,
        ),
        on_hangup=(sink.reopen,),
    )
    times = find_times(opened.store)
    for source in (
        process_readings,
        times.readings,
        ages.readings,
        lambda: app_readings(app),
        cache.readings,
        lambda: issuer_readings(issuer_keys, opened.clock.now),
        lambda: certificate_readings(config.tls_cert),
    ):
        metrics.add(source)
    if access_log is not None:
        metrics.add(access_log.readings)
        app.on_start = (access_log.start, *app.on_start)
        app.on_stop = (*app.on_stop, access_log.stop)
        app.on_hangup = (*app.on_hangup, access_log.reopen)
    if traces is not None:
        metrics.add(traces.readings)
        app.on_stop = (*app.on_stop, traces.close)
        times.on_end, issuer_keys.on_fetch = note_store_call, note_fetch
        if access_log is not None:
            access_log.find_trace_id = current_trace_id
    return app


def fetch_limits(config: Config) -> FetchLimits:
    """Return the allowed networks of issuers, and the CAs trusted there."""
    return FetchLimits(config.oidc_allowed_networks, Path(config.oidc_ca_bundle) if config.oidc_ca_bundle else None)


def webhook_limits(config: Config) -> FetchLimits:
    """Return the allowed networks of webhooks.

    Separate from those of issuers.
    """
    return replace(fetch_limits(config), networks=config.webhook_allowed_networks)


def make_issuer_keys(config: Config, clock: Clock) -> IssuerKeys:
    """Return the keys of OpenID Connect issuers.

    Fetched within the operator's limits. Raises ConfigurationError.
    """
    limits = fetch_limits(config)
    if limits.ca_bundle is not None:  # The system's authorities are read at the first fetch.
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
        secret = read_key_file(Path(file), most_bytes=_LONGEST_SECRET).decode().strip()
    except KeyFileError as error:
        raise ConfigurationError(f"oidc_clients: the secret in {error}") from None
    except UnicodeDecodeError:
        # Never repeat the content: it may be the secret.
        raise ConfigurationError(f"oidc_clients: the secret in {file} cannot be read: it is not UTF-8 text") from None
    if not secret:
        # A confidential client without its secret must not become a public one.
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
    delivery = open_delivery(config, target, workers=config.workers)
    sink = open_server_log(target, metrics, delivery)
    if isinstance(sink, LineSink):
        metrics.add(lambda: [("daypass_audit_queue_bytes", (), sink.bytes_queued)])
    if delivery is not None:
        metrics.add(delivery.readings)
    return sink


def _open_access_log(config: Config) -> AccessLog | None:
    if not config.access_log:
        return None
    if config.access_log == "-":
        return AccessLog(Stream(sys.stdout.buffer))
    try:
        return AccessLog(open_target(config.access_log))
    except OSError as error:
        raise ConfigurationError(f"cannot write the access log {config.access_log}: {error.strerror}") from error


def _noting(access_log: AccessLog | None) -> tuple[Callable[[RecordRequest], RecordRequest], ...]:
    return () if access_log is None else (access_log.noting,)
