"""A real scrape has the table's metrics only, and no value of a caller in a label."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from tests.http.raw import send, signed

from daypass.http.metrics import Metrics
from daypass.metrics.table import METRICS
from daypass.storage.outages import Outages
from daypass.testing.clock import MovableClock
from daypass.testing.plugin import client_factory
from daypass.testing.server import RunningServer, running_server

_LABEL = re.compile(r"[A-Za-z0-9_.+-]{0,64}")
_MOST_SERIES = 3_000
_LOGS = ("daypass_access_log_", "daypass_audit_queue_", "daypass_audit_sink_", "daypass_trace_")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run a server on a database, whose times are measured."""
    with running_server(store=f"sqlite:///{tmp_path_factory.mktemp('store') / 'daypass.db'}") as running:
        yield running


def scrape(url: str) -> list[Sample]:
    """Return the samples of a server."""
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()  # noqa: S310 - our own address
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def find(samples: list[Sample], name: str, **labels: str) -> float:
    """Return the value of one sample, or 0."""
    return next((each.value for each in samples if each.name == name and each.labels == labels), 0.0)


def _send(server: RunningServer, form: Mapping[str, str], headers: Mapping[str, str]) -> None:
    request = urllib.request.Request(server.url, urlencode(form).encode(), dict(headers))  # noqa: S310 - our own
    try:
        urllib.request.urlopen(request).close()  # noqa: S310 - our own address
    except urllib.error.HTTPError as refused:
        refused.close()


_hostile = st.one_of(
    st.sampled_from(
        [
            "arn:aws:iam::123456789012:role/admin",
            "123456789012",
            "https://idp.example.com",
            'x"} 1\ndaypass_ready{a="',
            "GetCallerIdentity\n",
            "AssumeRole" * 30,
        ]
    ),
    st.text(st.characters(max_codepoint=0x2FF), max_size=40),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(action=_hostile, version=_hostile, value=_hostile)
def test_no_value_of_a_caller_becomes_a_label(server: RunningServer, action: str, version: str, value: str) -> None:
    """Labels have names of the code's tables, whatever is sent, and their number is bounded."""
    _send(server, {"Action": action, "Version": version, "RoleArn": value}, {})
    known = {"Action": "AssumeRoleWithSAML", "Version": "2011-06-15", "RoleArn": value, "PrincipalArn": action}
    _send(server, {**known, "SAMLAssertion": value}, {"User-Agent": "a"})
    samples = scrape(server.url)
    values = {value for sample in samples for value in sample.labels.values()}
    assert all(_LABEL.fullmatch(value) for value in values), values
    assert not any(re.search(r"\d{12}|arn:|http", value) for value in values)
    assert len(samples) < _MOST_SERIES


def test_the_number_of_pairs_is_bounded() -> None:
    """Also if an action or a code came from a caller, memory and series would stay bounded."""
    metrics = Metrics(Outages())
    for number in range(5_000):
        metrics.answered(f"Action{number}", "")
    metrics.answered("arn:aws:iam::123456789012:root", "")
    answers = metrics.snapshot()["daypass_answers_total"]
    assert len(answers) <= 4_001
    assert answers["other", "other"] == 1_001


def test_every_metric_is_in_the_table_and_has_its_labels(server: RunningServer) -> None:
    """A scrape after calls of each kind shows each family of the table."""
    client_factory(server)("iam").create_user(UserName="alice")
    samples = scrape(server.url)
    absent = {"daypass_certificate_expiry_timestamp_seconds", "daypass_signing_key_oldest_timestamp_seconds"}
    shown = {re.sub(r"_(bucket|count|sum)$", "", sample.name) for sample in samples}
    assert shown <= set(METRICS)
    not_yet = {"daypass_sign_ins_total", "daypass_sessions_issued_total"}
    without_log = {name for name in METRICS if name.startswith(_LOGS)}
    assert set(METRICS) - shown <= absent | not_yet | without_log  # this server has no log
    for sample in samples:
        row = METRICS[re.sub(r"_(bucket|count|sum)$", "", sample.name)]
        assert set(sample.labels) - {"le"} == set(row.labels)


def test_outcomes_sign_ins_and_sessions_are_counted(server: RunningServer) -> None:
    """A refusal of the caller is not an error of the server."""
    sts = client_factory(server)("sts")
    sts.get_session_token()
    with pytest.raises(ClientError):
        sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/none", RoleSessionName="monday")
    samples = scrape(server.url)
    timed = "daypass_request_duration_seconds_count"
    assert find(samples, timed, action="GetSessionToken", outcome="success") == 1
    assert find(samples, timed, action="AssumeRole", outcome="refused") == 1
    assert find(samples, "daypass_sign_ins_total", kind="access_key", outcome="success") == 1
    assert find(samples, "daypass_sessions_issued_total", action="GetSessionToken") == 1
    assert find(samples, "daypass_sessions_issued_total", action="AssumeRole") == 0


def test_a_clock_that_differs_is_counted_by_its_direction() -> None:
    """An operator sees which node refuses callers for the time of their signatures."""
    clock = MovableClock()
    with running_server(clock=clock, signature_clock=clock) as server:
        request = signed(server)
        for minutes, caller in ((16, "behind"), (-16, "ahead")):
            clock.move(timedelta(minutes=minutes))
            assert send(server, *request).status == 403
            clock.move(timedelta(minutes=-minutes))
            assert find(scrape(server.url), "daypass_clock_skew_refusals_total", clock=caller) == 1
        assert send(server, *request).status == 200
        refusals = [each.value for each in scrape(server.url) if each.name == "daypass_clock_skew_refusals_total"]
    assert refusals == [1, 1]


def test_the_store_the_cache_and_the_keys_have_readings(server: RunningServer) -> None:
    """They are those of this server's parts, not constants."""
    client_factory(server)("iam").create_user(UserName="bob")
    client_factory(server)("sts").get_caller_identity()
    samples = scrape(server.url)
    for kind in ("read", "write", "commit"):
        assert find(samples, "daypass_store_operation_duration_seconds_count", kind=kind) >= 1
    assert find(samples, "daypass_cache_entries") >= 1
    assert find(samples, "daypass_cache_misses_total") >= 1
    assert find(samples, "daypass_sealing_keys") == 1
    rotation = find(samples, "daypass_sealing_key_rotation_timestamp_seconds")
    assert rotation - find(samples, "daypass_sealing_key_activated_timestamp_seconds") == 90 * 86_400
    assert find(samples, "daypass_ready") == 1
    assert find(samples, "daypass_connections") >= 1
    assert find(samples, "process_resident_memory_bytes") > 1e6
