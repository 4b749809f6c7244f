"""rsyslog, a real receiver, takes every message of the sink whole."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from tests.audit_sinks.receivers import PATIENCE, Certificates, ids, line
from tests.components import find_program
from tests.sockets import free_port

from daypass.audit.delivery.destination import DeliveryError
from daypass.audit.delivery.formats import format_of
from daypass.audit.delivery.sink_settings import AuditSinkSetting
from daypass.audit.delivery.syslog import SyslogSink

# As in docs/audit-sinks.md, with a port and files of the test.
_CONFIGURATION = """
global(
  workDirectory="{directory}"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{directory}/ca.pem"
  defaultNetstreamDriverCertFile="{identity}"
  defaultNetstreamDriverKeyFile="{identity}"
)
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="json" type="string" string="%msg%\\n")
ruleset(name="daypass") {{
  action(type="omfile" file="{directory}/daypass.jsonl" template="json" fileCreateMode="0600")
}}
input(type="imtcp" port="{port}" ruleset="daypass")
"""


@pytest.mark.slow
@pytest.mark.component("rsyslog")
def test_rsyslog_takes_every_event(certificates: Certificates, tmp_path: Path) -> None:
    """Also one that had to lose members, because rsyslog's limit is 8 KiB."""
    port = free_port()
    configuration = tmp_path / "rsyslog.conf"
    assert certificates.bundle
    identity = certificates.identity()
    configuration.write_text(_CONFIGURATION.format(directory=tmp_path, identity=identity, port=port))
    program = find_program("rsyslogd")
    assert program is not None
    lines = [line(number).rstrip() for number in range(300)]
    lines.append(line(300, requestParameters={"tags": ["x" * 200] * 100}).rstrip())
    server = subprocess.Popen([program, "-n", "-f", str(configuration), "-i", str(tmp_path / "pid")])
    try:
        setting = AuditSinkSetting("s", "syslog", f"syslog+tls://127.0.0.1:{port}", ca_bundle=certificates.bundle)
        sink = SyslogSink(setting, format_of("cloudtrail"))
        _send_once_ready(sink, lines)
        sink.close()
        written = _read(tmp_path / "daypass.jsonl", len(lines))
    finally:
        server.terminate()
        server.wait()
    assert ids(written) == list(range(301))
    assert json.loads(written[0]) == json.loads(lines[0])
    assert json.loads(written[300])["requestParameters"] == "…"


def _send_once_ready(sink: SyslogSink, lines: list[bytes]) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return sink.send(lines)
        except DeliveryError:  # it does not listen yet
            assert time.monotonic() < ends
            time.sleep(0.05)


def _read(path: Path, count: int) -> list[bytes]:
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        lines = path.read_bytes().splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.05)
    raise AssertionError(f"rsyslog wrote {len(lines)} of {count} lines")
