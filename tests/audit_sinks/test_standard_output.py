"""The sink `stdout`: whole lines, and none of them twice after a stalled reader."""

import fcntl
import os
import sys
from pathlib import Path

import pytest
from tests.audit_sinks.receivers import ids, line

from daypass.audit.delivery.destination import DeliveryError
from daypass.audit.delivery.standard_output import StandardOutputSink

_PIPE = 65_536


def test_a_stalled_reader_gets_each_line_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next attempt continues behind the lines that were written."""
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE)
    os.set_blocking(reader, False)
    lines = [line(number, userAgent="x" * 500).rstrip() for number in range(200)]
    received, attempts = b"", 0
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        sink = StandardOutputSink(bytes)
        while attempts < 20:
            attempts += 1
            try:
                sink.send(lines)
                break
            except DeliveryError as stalled:
                assert "stopped reading" in str(stalled)  # noqa: PT017 - the loop ends without one
                received += os.read(reader, _PIPE)
    received += os.read(reader, _PIPE)
    os.close(reader)
    assert attempts > 2
    assert ids(received.splitlines()) == list(range(200))


def test_a_file_gets_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output can be a file of the service manager."""
    path = tmp_path / "out"
    with path.open("w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        StandardOutputSink(bytes).send([line(1).rstrip(), line(2).rstrip()])
    assert ids(path.read_bytes().splitlines()) == [1, 2]
