"""A gateway process with the passing judge.

`python -m tests.gateway.gateway_process PORT ADMIN STORE [OPTION=VALUE ...]`. It prints
"hangup" at SIGHUP and "stopped" at its end.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from tests.gateway.transfers.passing_judge import PassingJudge

from daypass.gateway.metrics import GatewayMetrics
from daypass.gateway.plan import Backend
from daypass.gateway.server import GatewayListeners, GatewayWorker, TlsFiles, serve_gateway
from daypass.gateway.transfers.limits import TransferLimits
from daypass.http.connection_limits import ConnectionLimits
from daypass.http.listening import open_listener
from daypass.http.peer import PeerRule


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def _build(store: Backend, per_peer: int, drain: float) -> GatewayWorker:
    metrics = GatewayMetrics()
    return GatewayWorker(
        PassingJudge(store),
        PassingJudge(store),
        metrics,
        PeerRule(()),
        ConnectionLimits(per_peer, most=0, is_proxy=lambda _: False, on_refusal=metrics.connection_refused),
        limits=msgspec.structs.replace(TransferLimits(), finish_seconds=drain),
        on_hangup=(lambda: _say("hangup"),),
        on_stop=(lambda: _say("stopped"),),
    )


def main() -> int:
    """Serve."""
    port, admin, store = map(int, sys.argv[1:4])
    options = dict(each.split("=", 1) for each in sys.argv[4:])
    backend = Backend("store", "127.0.0.1", store, secure="ca" in options, ca_bundle=options.get("ca", ""))
    tls = TlsFiles(options["certificate"], options["key"]) if "certificate" in options else None
    return serve_gateway(
        lambda: _build(backend, int(options.get("per_peer", "0")), float(options.get("drain", "5"))),
        GatewayListeners(open_listener("127.0.0.1", port), open_listener("127.0.0.1", admin)),
        tls=tls,
        workers=int(options.get("workers", "1")),
        drain_seconds=int(options.get("drain_seconds", "0")),
    )


@contextmanager
def gateway_process(port: int, admin: int, store: int, **options: str) -> "Iterator[subprocess.Popen[str]]":
    """Run the process. It may not listen yet."""
    arguments = [str(port), str(admin), str(store), *(f"{name}={value}" for name, value in options.items())]
    command = [sys.executable, "-m", "tests.gateway.gateway_process", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
