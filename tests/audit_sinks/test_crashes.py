"""A server that is killed at any moment: every event of its spool arrives, in spite of the crash."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.audit_sinks.receivers import PATIENCE, WebhookReceiver, receiving_webhooks
from tests.process.daypass import ROOT, serving

_ROUNDS = 3


class _Arrivals:
    """Counts the events that a receiver has accepted, by id."""

    def __init__(self, receiver: WebhookReceiver) -> None:
        self.counts = Counter[str]()
        self._receiver = receiver
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            headers, body = self._receiver.requests.get()
            if headers["answered"] == "200":
                self.counts.update([json.loads(each)["eventID"] for each in body.splitlines()])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2])
def test_no_event_of_a_spool_is_lost_by_sigkill(workers: int, tmp_path: Path) -> None:
    """The next start sends what the dead process left. At most the batches in flight arrive twice."""
    dice = random.Random(workers)  # noqa: S311 - the same rounds in each run
    with receiving_webhooks(None, *[(500 if dice.random() < 0.3 else 200, {}) for _ in range(200)]) as receiver:
        arrivals = _Arrivals(receiver)
        config = tmp_path / "daypass.toml"
        config.write_text(
            f'[[audit_sink]]\ntype = "webhook"\nurl = "http://127.0.0.1:{receiver.port}/"\nbatch_events = 7\n'
        )
        store = f"sqlite:///{tmp_path / 'daypass.db'}"
        spooled = set[str]()
        for _ in range(_ROUNDS):
            with serving(store, "--config", str(config), "--workers", str(workers), environment=ROOT) as server:
                sts = server.client("sts")
                for _ in range(dice.randrange(20, 60)):
                    sts.get_caller_identity()
                time.sleep(dice.random() / 2)
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()
            time.sleep(0.3)  # workers end with their parent
            spooled |= _events(tmp_path / "audit-spool")
        with serving(store, "--config", str(config), environment=ROOT) as server:
            _wait_for_empty(tmp_path / "audit-spool", server.process.pid)
        logged = {json.loads(each)["eventID"] for each in (tmp_path / "audit.jsonl").read_bytes().splitlines()}
        missing = spooled - arrivals.counts.keys()
        assert not missing, f"{len(missing)} of {len(spooled)} events of spools are missing"
        # Beside the spool, a crash can lose the events between two writes of one thread.
        assert len(logged - arrivals.counts.keys()) <= 60 * workers
        assert arrivals.counts.keys() <= logged
        twice = sum(count - 1 for count in arrivals.counts.values())
        assert twice <= 7 * _ROUNDS * workers


def _events(root: Path) -> set[str]:
    """Return the ids of the whole lines in all spools."""
    found = set()
    for path in root.glob("*/*.jsonl"):
        found |= {json.loads(each)["eventID"] for each in path.read_bytes().split(b"\n")[:-1]}
    return found


def _wait_for_empty(root: Path, pid: int) -> None:
    ends = time.monotonic() + PATIENCE * 4
    while time.monotonic() < ends:
        others = [path.name for path in root.iterdir() if not path.name.startswith((f"{pid}-", "."))]
        own = [json.loads(path.read_bytes()) for path in root.glob(f"{pid}-*/webhook.cursor")]
        if not others and own:
            return
        time.sleep(0.1)
    raise AssertionError(f"spools of dead processes stayed: {others}")
