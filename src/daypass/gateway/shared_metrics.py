"""The metrics of all workers, on the admin page of any of them.

Owns the files in which the workers leave their metrics for each other. Every worker accepts on the admin listener, and
a scrape reaches one of them. Without the others' metrics the counters would jump. The file of a worker that died stays,
because counters must not go backwards.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from daypass.gateway.metrics import GatewayMetrics


class SharedMetrics(Collector):
    """This worker's metrics, with those of the others in `directory`."""

    def __init__(self, own: GatewayMetrics, directory: Path) -> None:
        self._own = own
        self._directory = directory
        self._file = directory / f"{os.getpid()}.json"
        self._written = ""

    def write(self) -> None:
        """Leave this worker's metrics for the others."""
        text = json.dumps(self._own.snapshot())
        if text != self._written:
            partial = self._file.with_suffix(".partial")
            partial.write_text(text)
            partial.replace(self._file)
            self._written = text

    def collect(self) -> Iterator[Metric]:
        """Yield the sums in Prometheus's types."""
        total = GatewayMetrics()
        total.add(self._own.snapshot(), is_alive=True)
        for file in self._directory.glob("*.json"):
            if file != self._file:
                with suppress(OSError, ValueError):
                    total.add(json.loads(file.read_text()), is_alive=Path(f"/proc/{file.stem}").exists())
        yield from total.collect()
