"""Build a gateway: choose the implementations behind its judge.

Owns the choice and the order of construction for `daypass gateway`, as wiring.py does for the server: keys and buckets
over the store of this machine, the stores behind the gateway, and its audit log.
"""

import ipaddress
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from daypass.audit.sinks import LineSink, ServerSink
from daypass.authenticate.keychain import Keychain
from daypass.config import Config, ConfigurationError
from daypass.directory.entities.iam_entities import Account, LastUse
from daypass.directory.last_uses import LastUses
from daypass.directory.records import each_record, find
from daypass.directory.store import Reader
from daypass.errors import ServiceUnavailable
from daypass.gateway.audit_events import ExchangeLog
from daypass.gateway.buckets.bucket_writer import StoreBucketWriter
from daypass.gateway.buckets.buckets import (
    BucketMap,
    BucketMapping,
    Buckets,
    BucketWriter,
    RememberedBuckets,
    StoreBuckets,
)
from daypass.gateway.buckets.remote_buckets import RemoteBuckets, RemoteBucketWriter, RemoteViews
from daypass.gateway.judge.decisions import DecisionTools, DenialSeal
from daypass.gateway.judge.denial_messages import LocalDenialSeal
from daypass.gateway.judge.judge import S3Judge
from daypass.gateway.judge.judge_parts import JudgeParts, StoreBackend
from daypass.gateway.judge.lookups import TagLookups, VersionLookup
from daypass.gateway.local_keys import LocalKeys
from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Backend
from daypass.gateway.proxies.forward_auth import ForwardAuthJudge, ForwardAuthParts, JudgesS3
from daypass.gateway.server import GatewayWorker
from daypass.gateway.settings import (
    BackendSetting,
    GatewaySettings,
    parse_backend_url,
    profile_of,
    read_backend_key,
    routes_by_service,
)
from daypass.gateway.stores.backend_calls import CalledBackend, StoreCalls
from daypass.gateway.stores.check import StoreCheck, StoreFinding, StoreReport, find_safe_profile
from daypass.gateway.stores.profiles import StoreProfile
from daypass.gateway.stores.store_probe import StoreProbe
from daypass.gateway.transfers.traced_data_path import GatewayTraces
from daypass.http.connection_limits import ConnectionLimits, most_connections
from daypass.http.peer import PeerRule
from daypass.http.recorder import report_bug
from daypass.http.shared_readings import store_readings
from daypass.http.throttle import Throttle
from daypass.maintenance import Maintenance
from daypass.metrics.outage_count import OutageCount
from daypass.metrics.snapshot import Reading, Source
from daypass.policy.authorization_request import PrincipalKind
from daypass.regions import home_region, served_regions
from daypass.storage.address import SqliteAddress, parse_address
from daypass.storage.cache import StoreCache
from daypass.storage.outages import find_outages
from daypass.storage.schema_watch import health_of
from daypass.storage.store_times import find_times
from daypass.storage.unknown_keys import asking_for_keys
from daypass.storage.views import OpenedStore, WorkShares
from daypass.system_clock import SystemClock
from daypass.verify.caller import VerifiedCaller
from daypass.verify.keys import Keys
from daypass.verify.remote import RemoteKeys, ServerChanges
from daypass.verify.remote_server.feed_history import UNKNOWN
from daypass.verify.remote_server.remote_facts import RemoteFacts
from daypass.verify.remote_server.server_connection import (
    RegistrationRefusedError,
    ServerConnection,
    load_credentials,
)
from daypass.verify.s3.resign import BackendAddress
from daypass.verify.services.routes import RouteTable
from daypass.verify.services.service import ServiceRules
from daypass.verify.signature_profile import s3_profile
from daypass.wiring_audit import open_delivery, open_server_log
from daypass.wiring_traces import open_configured_traces

HOME_REGION = "us-east-1"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_NEW_NAMES_PER_MINUTE = 600  # that one client may cause questions about to a server elsewhere
_HEAVY_OF_ONE, _HEAVY_OF_ALL = 2, 8  # threads that decisions over large policies may use at a time


@dataclass(frozen=True, slots=True)
class Backends:
    """The stores behind a gateway, with their keys. `default` has new buckets."""

    by_name: Mapping[str, StoreBackend]
    default: str

    def __repr__(self) -> str:
        return f"<{len(self.by_name)} backends>"


def open_backends(settings: GatewaySettings) -> Backends:
    """Read the key of each store. Raises ConfigurationError."""
    found = {setting.name: _open_backend(setting) for setting in settings.backends}
    return Backends(found, settings.backends[0].name if settings.backends else "")


def _open_backend(setting: BackendSetting) -> StoreBackend:
    url = parse_backend_url(setting)
    return StoreBackend(
        Backend(setting.name, url.host, url.port, url.secure, setting.ca_bundle),
        BackendAddress(url.authority.encode(), read_backend_key(setting), url.path_prefix.encode()),
        profile_of(setting),
    )


def check_stores(backends: Backends, *, is_quick: bool = False) -> Iterator[StoreReport]:
    """Check whether each store behaves as its profile says.

    A quick check is for the start of a gateway.
    """
    clock = SystemClock()
    for name, store in backends.by_name.items():
        called = CalledBackend(store.backend, store.address)

        if is_quick:
            yield StoreReport(name, store.profile.name, _check_of(called, clock, store.profile).quick_findings())
            continue
        findings = _check_of(called, clock, store.profile).findings()
        others = partial(_findings_of, called, clock)
        safe = find_safe_profile(store.profile, findings, others)
        yield StoreReport(name, store.profile.name, findings, safe)


def _check_of(called: CalledBackend, clock: SystemClock, profile: StoreProfile) -> StoreCheck:
    return StoreCheck(StoreProbe(called, f"daypass-check-{os.urandom(8).hex()}", clock.now), profile)


def _findings_of(called: CalledBackend, clock: SystemClock, profile: StoreProfile) -> tuple[StoreFinding, ...]:
    return _check_of(called, clock, profile).findings()


def map_buckets(settings: GatewaySettings, backends: Backends, reader: Reader) -> BucketMap:
    """Return the mapping of buckets.

    Raises ConfigurationError if an account does not exist.
    The only account of a store adopts the buckets that nothing maps.
    """
    accounts = [record.key for record in each_record(reader, Account, "")]
    for account in (settings.account, *(mapping.account for mapping in settings.buckets)):
        if account and find(reader, Account, "", account) is None:
            raise ConfigurationError(
                f"the account {account} does not exist in the store. Run `daypass account list` to see all accounts"
            )
    adopting = settings.account or (accounts[0] if len(accounts) == 1 else "")
    return _bucket_map(settings, backends, adopting)


def _bucket_map(settings: GatewaySettings, backends: Backends, adopting: str) -> BucketMap:
    mappings = tuple(
        BucketMapping(mapping.match, mapping.account, mapping.backend or backends.default)
        for mapping in settings.buckets
    )
    return BucketMap(mappings, adopting_account=adopting, default_backend=backends.default)


def gateway_audit_target(settings: GatewaySettings, config: Config) -> str:
    """Return the target of a gateway's audit events: its own file.

    That is the configured target, else a file beside the database, else standard output.
    """
    if settings.audit_log:
        return settings.audit_log
    address = parse_address(config.store_url)
    if isinstance(address, SqliteAddress):
        return str(address.path.absolute().with_name("gateway-audit.jsonl"))
    return "-"


@dataclass(frozen=True, slots=True)
class Directory:
    """The sources of keys and buckets: a store here, or a server elsewhere."""

    keys: Keys
    buckets: Buckets
    waiting_buckets: Buckets
    writer: BucketWriter
    bucket_map: BucketMap
    now: Callable[[], datetime]
    health: Callable[[], str]
    on_stop: tuple[Callable[[], None], ...]
    used: Callable[[VerifiedCaller, datetime, str], None]
    readings: tuple[Source, ...]
    seal: DenialSeal | None = None


def open_directory(config: Config, opened: OpenedStore, bucket_map: BucketMap) -> Directory:
    """Return the directory of a gateway beside the store.

    It closes the store when it stops.
    """
    cache = StoreCache(opened.store, max_entries=config.cache_entries, stale_seconds=config.stale_seconds)
    opened = asking_for_keys(opened, cache)
    uses = LastUses()
    outages, times = find_outages(opened.store), find_times(opened.store)
    maintenance = Maintenance(lambda: uses.flush(opened.store, pause=maintenance.stopping.wait))
    cache.start()
    maintenance.start()
    return Directory(
        keys=LocalKeys(cache.cached_only, cache.loading, Keychain(opened.vault), opened.vault),
        buckets=RememberedBuckets(cache.cached_only, cache.loading, bucket_map),
        waiting_buckets=StoreBuckets(cache.loading, cache.loading, bucket_map),
        writer=StoreBucketWriter(opened.store.write, bucket_map.new_block, most_buckets=config.quotas.buckets),
        bucket_map=bucket_map,
        now=opened.clock.now,
        health=lambda: health_of(cache.health(), opened.store),
        on_stop=(maintenance.stop, cache.close, opened.store.close),
        used=_note_uses(uses),
        readings=(lambda: store_readings(outages), times.readings, cache.readings),
        seal=LocalDenialSeal(cache.cached_only, cache.loading, opened.vault, opened.entropy),
    )


def _server_readings(facts: RemoteFacts, outages: OutageCount) -> Iterator[Reading]:
    yield "daypass_gateway_server_up", (), float(not outages.is_away)
    yield "daypass_gateway_server_outages_total", (), outages.times_away
    yield "daypass_gateway_server_away_seconds_total", (), outages.seconds_away
    if math.isfinite(facts.age):  # the server has answered once
        yield "daypass_gateway_server_age_seconds", (), facts.age


def connect_server(settings: GatewaySettings) -> ServerConnection:
    """Return the connection of a gateway to its server.

    Raises ConfigurationError.
    """
    try:
        return ServerConnection(
            settings.server,
            settings.resource_server,
            load_credentials(settings.identity_profile),
            region=HOME_REGION,
            ca_bundle=settings.server_ca_bundle,
        )
    except ValueError as error:
        raise ConfigurationError(f"--server: {error}") from error


def ask_directory(connection: ServerConnection, config: Config, bucket_map: BucketMap) -> Directory:
    """Return the directory of a gateway that asks a server elsewhere.

    It follows the changes of the server.
    """
    outages = OutageCount()

    def report(trouble: ServiceUnavailable) -> None:
        outages.begin()
        _report_server(trouble)

    facts = RemoteFacts(
        ServerChanges(connection),
        stale_seconds=config.gateway_stale_seconds,
        on_trouble=report,
        on_word=outages.end,
    )
    keys = RemoteKeys(connection, facts)
    facts.start()
    waiting = RemoteViews(connection, facts, waits=True)
    return Directory(
        keys=keys,
        buckets=RemoteBuckets(RemoteViews(connection, facts, waits=False), waiting, bucket_map),
        waiting_buckets=RemoteBuckets(waiting, waiting, bucket_map),
        writer=RemoteBucketWriter(connection, facts, bucket_map.new_block),
        bucket_map=bucket_map,
        now=SystemClock().now,
        health=facts.health,
        on_stop=(keys.close,),
        used=_note_nothing,
        readings=(lambda: _server_readings(facts, outages),),
    )


_CHECK_REGISTRATION = (
    "Check --resource-server with `daypass resource-server list` at the server, and that the identity of "
    "--identity-profile has the policy that `daypass resource-server add` printed. Until then every request gets 503."
)
_CHECK_NETWORK = "Check --server and the network to it."


def _report_server(trouble: ServiceUnavailable) -> None:
    """Log that the server does not answer, or refuses this gateway."""
    log = structlog.get_logger()
    if isinstance(trouble, RegistrationRefusedError):
        log.error("server_refuses_gateway", reason=trouble.detail, remedy=_CHECK_REGISTRATION)
    else:
        log.warning("server_unreachable", reason=trouble.detail, remedy=_CHECK_NETWORK)


def server_warning(settings: GatewaySettings, connection: ServerConnection) -> str:
    """Return why a gateway cannot serve requests yet, and the remedy.

    It is empty if the server answers this gateway. Blocks for a few seconds at most.
    """
    try:
        ServerChanges(connection).changes(UNKNOWN, 0)
    except RegistrationRefusedError as trouble:
        name = settings.resource_server
        reason = f"the server refuses this gateway, the resource server {name!r}: {trouble.detail}"
        return f"{reason.rstrip('.')}. {_CHECK_REGISTRATION}"
    except ServiceUnavailable as trouble:
        reason = f"the server {settings.server} cannot be reached: {trouble.detail}"
        return f"{reason.rstrip('.')}. {_CHECK_NETWORK} Until then every request gets 503."
    return ""


def map_buckets_elsewhere(settings: GatewaySettings, backends: Backends) -> BucketMap:
    """Return the mapping of buckets of a gateway with --server.

    The server checks the accounts: it answers for those alone that the registration of the gateway names.
    """
    return _bucket_map(settings, backends, settings.account)


def build_gateway(
    settings: GatewaySettings,
    config: Config,
    directory: Directory,
    *,
    backends: Backends,
    sink: ServerSink | None = None,
) -> GatewayWorker:
    """Return one worker of a gateway. It closes the directory when it stops."""
    metrics = GatewayMetrics()
    for source in directory.readings:
        metrics.add(source)
    sink = sink or _open_audit(settings, config, metrics)
    exported = open_configured_traces(config)
    traces = None if exported is None else GatewayTraces(exported.maker)
    if exported is not None:
        metrics.add(exported.readings)
    record = sink if traces is None else traces.recording(sink)
    throttle = Throttle(
        config.unsigned_calls_per_minute, time.monotonic, on_refusal=lambda: metrics.alarm("peer_throttled")
    )
    questions = Throttle(
        _NEW_NAMES_PER_MINUTE, time.monotonic, on_refusal=lambda: metrics.alarm("peer_throttled")
    ).within_rate_limit
    shares = WorkShares(of_one=_HEAVY_OF_ONE, of_all=_HEAVY_OF_ALL)
    calls = StoreCalls(
        {name: CalledBackend(each.backend, each.address) for name, each in backends.by_name.items()}, directory.now
    )
    new_request_id = S3RequestIds()
    judge = S3Judge(
        JudgeParts(
            keys=directory.keys,
            buckets=directory.buckets,
            waiting_buckets=directory.waiting_buckets,
            bucket_map=directory.bucket_map,
            writer=directory.writer,
            calls=calls,
            backends=backends.by_name,
            signature=s3_profile(served_regions(config.regions), home_region(config.regions, HOME_REGION)),
            decisions=DecisionTools(shares.take, TagLookups(calls), VersionLookup(calls), directory.seal),
            log=ExchangeLog(record, _count(metrics), directory.used, report_bug, _sampler(settings.audit_reads)),
            now=directory.now,
            new_request_id=new_request_id,
            failure_allowed=throttle.within_rate_limit,
            question_allowed=questions,
            on_alarm=metrics.alarm,
            domains=settings.domains,
        )
    )
    peers = PeerRule(config.trusted_proxies)
    proxies = ForwardAuthParts(
        services=_services(settings, config, directory.keys),
        proxies=PeerRule(config.trusted_proxies or LOOPBACK),
        now=directory.now,
        new_request_id=new_request_id,
        record=record,
        report_bug=report_bug,
        question_allowed=questions,
        s3=JudgesS3(judge.judge, judge.judge_waiting) if backends.by_name else None,
    )
    return GatewayWorker(
        judge=judge,
        proxy_judge=ForwardAuthJudge(proxies),
        metrics=metrics,
        peers=peers,
        connections=ConnectionLimits(
            config.connections_per_peer,
            most=most_connections(),
            is_proxy=peers.is_trusted,
            on_refusal=metrics.connection_refused,
        ),
        health=directory.health,
        on_hangup=(sink.reopen,),
        on_stop=(*directory.on_stop, sink.close, *(() if exported is None else (exported.close,))),
        traces=traces,
    )


def _services(settings: GatewaySettings, config: Config, keys: Keys) -> Mapping[str, ServiceRules]:
    return {
        name: ServiceRules(keys, service=name, regions=served_regions(config.regions), routes=RouteTable(routes))
        for name, routes in routes_by_service(settings.routes).items()
    }


class S3RequestIds:
    """Creates request ids as S3's: 16 digits and capital letters.

    They have a random part for each process, and a counter. They are not secret.
    """

    def __init__(self) -> None:
        self._count = int.from_bytes(os.urandom(8))

    def __call__(self) -> str:
        """Return the next request id."""
        # An odd step visits every number once, and makes ids that differ in many digits.
        self._count = (self._count + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        return f"{self._count:016X}"


def _count(metrics: GatewayMetrics) -> Callable[[str], None]:
    return lambda code: metrics.decided("denied" if code == "AccessDenied" else "refused" if code else "allowed")


def _note_nothing(_caller: VerifiedCaller, _at: datetime, _region: str) -> None:
    """Do not note the use: the server does, when it grants a key."""


def _note_uses(uses: LastUses) -> Callable[[VerifiedCaller, datetime, str], None]:
    def note(caller: VerifiedCaller, at: datetime, region: str) -> None:
        if caller.expires is None:
            used = caller.access_key_id
        elif caller.principal.kind is PrincipalKind.ROLE_SESSION:
            used = caller.principal.unique_id
        else:
            return
        if uses.is_due(used, at):
            uses.note(LastUse(id=used, account=caller.account, at=at, region=region, service="s3"))

    return note


def _sampler(share: float) -> Callable[[], bool]:
    if share >= 1:
        return lambda: True
    chance = random.random  # sampling does not need a secret source
    return lambda: chance() < share


def _open_audit(settings: GatewaySettings, config: Config, metrics: GatewayMetrics) -> ServerSink:
    target = gateway_audit_target(settings, config)
    try:
        if not settings.audit_log and target != "-":
            # The folder of the default store does not exist on a machine with a gateway alone.
            Path(target).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot write the audit log {target}: {error.strerror}") from error
    delivery = open_delivery(config, target, workers=settings.workers)
    if delivery is not None:
        metrics.add(delivery.readings)
    sink = open_server_log(target, metrics, delivery)
    if isinstance(sink, LineSink):
        metrics.add(lambda: [("daypass_audit_queue_bytes", (), sink.bytes_queued)])
    return sink
