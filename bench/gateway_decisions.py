"""The decision about one S3 request, in this process and without a connection.

Owns the figure: the CPU time from the bytes of a head to the head for the store, with everything cached.
"""

import os
import time
from itertools import cycle, islice
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.gateway_servers import PROFILE, write_backend_key
from bench.s3_requests import get_object
from bench.servers import BenchError
from botocore.credentials import Credentials

from daypass.cli.shared.store_options import read_keys
from daypass.config import Config
from daypass.gateway.plan import Forward, Judge, Peer
from daypass.gateway.settings import BackendSetting, GatewaySettings
from daypass.verify.head import parse_head
from daypass.verify.keys import NotLoadedError
from daypass.wiring_gateway import build_gateway, map_buckets, open_backends, open_directory
from daypass.wiring_store import open_everything

_ROUNDS = 9
_DECISIONS = 2_000  # for each round
_REQUESTS = 256


def decision_figure(store: Path, scratch: Path, session: Credentials) -> Figure:
    """Return the figure, over the store of a running server."""
    config = Config(store=f"sqlite:///{store}")
    backend = BackendSetting("default", "http://127.0.0.1:8333", str(write_backend_key(scratch)), PROFILE)
    settings = GatewaySettings(backends=(backend,), audit_log=str(scratch / "decisions.jsonl"))
    opened, backends = open_everything(config, read_keys(os.environ)), open_backends(settings)
    with opened.store.read() as reader:
        bucket_map = map_buckets(settings, backends, reader)
    worker = build_gateway(settings, config, open_directory(config, opened, bucket_map), backends=backends)
    # What a connection hands over: the head without its empty line.
    heads = [get_object(session, 7880, f"reports/{number}").removesuffix(b"\r\n\r\n") for number in range(_REQUESTS)]
    peer, judge = Peer("127.0.0.1", secure=False), worker.judge
    try:
        for head in heads:
            if not isinstance(judge.judge_waiting(parse_head(head), peer), Forward):
                raise BenchError("a request of the benchmark was refused")
        seconds = []
        for _ in range(_ROUNDS):
            begin = time.thread_time()
            for head in islice(cycle(heads), _DECISIONS):
                _decide(judge, head, peer)
            seconds.append(time.thread_time() - begin)
    finally:
        for stop in worker.on_stop:
            stop()
    return Figure("decision_warm_us", median(seconds) / _DECISIONS * 1e6, "us CPU/request")


def _decide(judge: Judge, head: bytes, peer: Peer) -> None:
    try:
        judge.judge(parse_head(head), peer)
    except NotLoadedError as missing:  # the server changed a record meanwhile, or the cache verifies it again
        missing.load()
