"""The benchmark's arithmetic, and the detection of wrong responses by its load generator."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from bench.figures import Budget, Figure, Round, as_document, as_table, figures_of, percentile, ratio_to_bare
from bench.gateway import large_figures_of, small_figures_of
from bench.load import BadAnswerError, Job, as_line, check, ends_connection, is_whole, parse_job, run
from bench.peers import figures_of_peers, limited_by_client
from bench.signed import Signer, sign


def _round(cpu_us: float, *, requests: int = 1000) -> Round:
    return Round(requests, 2.0, cpu_us * requests / 1e6, p50_ms=1.0, p99_ms=3.0)


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 0.07, 7.0),
        ([1.0, 2.0], 0.0, 1.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(values: list[float], share: float, wanted: float) -> None:
    """The p-th percentile is the smallest value that at least that share of the values do not exceed."""
    assert percentile(values, share) == wanted


def test_no_values_have_no_percentile() -> None:
    """A round without responses has no latency, and must not pass as a fast one."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_ratio_compares_neighbouring_rounds() -> None:
    """Each round is compared with the bare round beside it, thus a slower machine does not change the ratio."""
    bare = [_round(30), _round(60), _round(90)]
    assert ratio_to_bare(bare, [_round(60), _round(120), _round(180)]) == pytest.approx(0.5)


def test_rounds_become_named_figures() -> None:
    """The CPU time of a request has the subject's own name, with the ratio to the bare server."""
    figures = figures_of("get_caller_identity", [_round(64)], [_round(32)])
    assert figures[0] == Figure("get_caller_identity", 64.0, "us CPU/request", 0.5)
    assert {figure.name: figure.value for figure in figures[1:]} == {
        "get_caller_identity_rps": 500,
        "get_caller_identity_p50": 1.0,
        "get_caller_identity_p99": 3.0,
    }


def test_rounds_of_the_gateway_become_named_figures() -> None:
    """A ratio compares with nginx that decides nothing, and a bar with nginx that asks the same decider."""
    rounds = {"get_4k": [_round(100)], "nginx_get_4k": [_round(200)], "nginx_plain_get_4k": [_round(25)]}
    figures = {figure.name: figure for figure in small_figures_of(rounds)}
    assert figures["get_4k_cpu_us"] == Figure("get_4k_cpu_us", 100.0, "us CPU/request", 0.25)
    assert figures["get_4k_to_nginx"].value == pytest.approx(0.5)
    large = {figure.name: figure for figure in large_figures_of({"put_1g": [1.0], "nginx_put_1g": [2.0]})}
    assert large["put_1g_cpu_s"] == Figure("put_1g_cpu_s", 1.0, "s CPU/GiB", 2.0)
    assert (large["put_1g_to_nginx"].value, "nginx_put_1g_to_nginx" in large) == (0.5, False)


def test_without_nginx_its_figures_are_absent() -> None:
    """The gateway's own figures have no ratio then."""
    figures = [*small_figures_of({"get_4k": [_round(100)]}), *large_figures_of({"get_1g_tls": [1.0]})]
    assert [figure.name for figure in figures] == ["get_4k_cpu_us", "get_4k_p50", "get_1g_tls_cpu_s"]
    assert [figure.ratio_to_bare for figure in figures] == [None, None, None]


def test_the_document_has_the_promised_members() -> None:
    """build/bench.json is one list of figures with name, value, unit and ratio_to_bare."""
    figure = {"name": "rss_mib", "value": 80.0, "unit": "MiB", "ratio_to_bare": None}
    assert as_document([Figure("rss_mib", 80.0, "MiB")], idle=False) == {"idle": False, "figures": [figure]}
    assert as_document([], idle=True, machine={"others": 0.1})["machine"] == {"others": 0.1}


@pytest.mark.parametrize(
    ("budget", "figure", "met"),
    [
        (Budget("x", 120, at_most=True), Figure("x", 120, "MiB"), True),
        (Budget("x", 120, at_most=True), Figure("x", 121, "MiB"), False),
        (Budget("x", 40_000), Figure("x", 39_999, "decisions/s"), False),
        (Budget("x", 0.6, on_ratio=True), Figure("x", 12, "us", 0.61), True),
        (Budget("x", 0.6, on_ratio=True), Figure("x", 12, "us", 0.59), False),
        (Budget("x", 0.6, on_ratio=True), Figure("x", 12, "us"), False),
    ],
)
def test_a_budget_is_met_or_missed(budget: Budget, figure: Figure, *, met: bool) -> None:
    """The exact limit is met.

    A limit on the ratio is missed if the ratio is missing.
    """
    assert budget.is_met_by(figure) is met
    assert ("MISSED" not in as_table([figure], [budget])) is met


def test_budgets_of_a_busy_machine_are_not_judged() -> None:
    """A loud machine can neither pass nor fail: the table shows the limit, and says why it is not compared."""
    table = as_table([Figure("x", 121, "MiB")], [Budget("x", 120, at_most=True)], judged=False)
    assert table.endswith("<= 120 not judged: the machine is not idle")


def test_a_budget_without_its_figure_is_listed() -> None:
    """A figure that is missing cannot hide its limit."""
    assert as_table([], [Budget("x", 120)]).splitlines()[1].split() == ["x", "-", "not", "measured"]


def test_a_subject_has_one_line_in_the_table() -> None:
    """Rate and latencies are beside the CPU time, except for a rate with a limit of its own."""
    figures = figures_of("create_user", [_round(64)], [_round(32)])
    lines = as_table(figures, [Budget("create_user_rps", 400)]).splitlines()[1:]
    assert [line.split() for line in lines] == [
        ["create_user", "64.00", "us", "CPU/request", "0.500", "500", "1.00", "3.00"],
        ["create_user_rps", "500.00", "requests/s", ">=", "400", "met"],
    ]


def test_a_peer_is_compared_in_neighbouring_rounds() -> None:
    """The result is the ratio of the rates, and a peer that refuses a call has none."""
    ours = [_round(10, requests=2000), _round(10, requests=4000)]
    theirs = [_round(10, requests=1000), _round(10, requests=2000)]
    rounds = {"get_caller_identity_daypass": ours, "assume_role_daypass": ours, "assume_role_ceph": theirs}
    figures = {figure.name: figure.value for figure in figures_of_peers(rounds)}
    assert figures["assume_role_to_ceph"] == pytest.approx(2.0)
    assert figures["assume_role_ceph_per_second"] == pytest.approx(750)
    assert "get_caller_identity_to_ceph" not in figures


def test_a_rate_that_the_client_limits_is_named() -> None:
    """A server is not slower because the load generator could not send more."""
    busy = Round(1000, 1.0, 0.1, p50_ms=1.0, p99_ms=1.0, client_cpu_seconds=0.96)
    calm = Round(1000, 1.0, 0.1, p50_ms=1.0, p99_ms=1.0, client_cpu_seconds=0.5)
    assert limited_by_client({"a": [busy, busy], "b": [calm, busy, calm]}) == [
        "the load generator could not send more: a"
    ]


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 0\r\n\r\n", True),
    ],
)
def test_an_answer_is_whole_with_its_last_byte(answer: bytes, *, whole: bool) -> None:
    """Content-Length gives the end of a response, in any case of letters."""
    assert is_whole(answer) is whole


def test_a_refusal_is_no_answer() -> None:
    """A fast 403 or a 200 without the marker would flatter the server.

    The round fails instead.
    """
    check(b"HTTP/1.1 200 OK\r\n\r\n<Arn>me</Arn>", b"<Arn>")
    with pytest.raises(BadAnswerError):
        check(b"HTTP/1.1 403 Forbidden\r\n\r\n<Arn>me</Arn>", b"<Arn>")
    with pytest.raises(BadAnswerError):
        check(b"HTTP/1.1 200 OK\r\n\r\n", b"<Arn>")
    check(b"HTTP/1.1 403 Forbidden\r\n\r\n<Code>no", b"<Code>", b"HTTP/1.1 403 ")


def test_a_closing_server_is_noticed() -> None:
    """Only a header ends a connection, not the same words in a body."""
    assert ends_connection(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    assert not ends_connection(b"HTTP/1.1 200 OK\r\n\r\n\r\nconnection: close\r\n")


def test_a_job_survives_its_pipe() -> None:
    """The load generator reads the driver's job, byte for byte."""
    job = Job(1, (b"\x00\xff\r\n", b"b"), b"<Arn>", 4, 0.5, status=403, once=True, tls=True)
    assert parse_job(as_line(job)) == job


def test_no_two_signed_requests_are_alike() -> None:
    """Two requests of one second differ in a signed header, so that a response cannot be cached."""
    first, second = (
        sign({"Action": "GetCallerIdentity"}, key_id="AKIAEXAMPLE", secret="secret", port=1) for _ in range(2)
    )
    assert first != second
    assert b"amz-sdk-invocation-id;" in first


@pytest.mark.parametrize(("service", "token"), [("sts", ""), ("sts", "a/b+c="), ("iam", "")])
def test_the_fast_signature_is_that_of_botocore(service: str, token: str) -> None:
    """Both ways sign the same bytes, so that the fast one measures what SDKs send."""
    parameters = {"Action": "AssumeRole", "RoleArn": "arn:aws:iam::111122223333:role/a", "Version": "2011-06-15"}
    keys: Any = {"key_id": "AKIAEXAMPLE", "secret": "secret", "port": 1, "service": service, "token": token}
    theirs = sign(parameters, **keys).decode()
    date = theirs.partition("X-Amz-Date: ")[2].partition("\r\n")[0]
    call_id = theirs.partition("amz-sdk-invocation-id: ")[2].partition("\r\n")[0]
    now = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    assert Signer(**keys).sign(parameters, now=now, call_id=call_id).decode() == theirs


def test_a_signer_outlives_the_day_of_its_key() -> None:
    """The derived key belongs to a day, and a run may pass midnight."""
    signer, later = Signer(key_id="AKIAEXAMPLE", secret="secret", port=1), 86_400.0
    first = signer.sign({"Action": "A"}, now=0.0, call_id="1")
    other = signer.sign({"Action": "A"}, now=later, call_id="1")
    fresh = Signer(key_id="AKIAEXAMPLE", secret="secret", port=1)
    assert (first, other) == (
        signer.sign({"Action": "A"}, now=0.0, call_id="1"),
        fresh.sign({"Action": "A"}, now=later, call_id="1"),
    )


@contextmanager
def _server_of(answer: bytes) -> Iterator[int]:
    """Serve one connection on loopback that returns `answer` to every request."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def serve() -> None:
            with closing(listening.accept()[0]) as peer:
                while peer.recv(65536):
                    peer.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_round_counts_what_was_answered() -> None:
    """Every request of a round is answered before it ends, and each response has its latency."""
    with _server_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port:
        result = run(Job(port, (b"GET / HTTP/1.1\r\n\r\n",), b"ok", 1, 0.05))
    assert result["requests"] > 0
    assert 0 < result["p50_ms"] <= result["p99_ms"]
    assert result["seconds"] >= 0.05


def test_a_round_without_repetition_ends_with_its_requests() -> None:
    """No request is sent twice. The first of each connection opens it, and is not counted."""
    with _server_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port:
        requests = (b"GET / HTTP/1.1\r\n\r\n",) * 5
        result = run(Job(port, requests, b"ok", 1, 60.0, once=True))
    assert result["requests"] == 4


def test_a_round_needs_a_request_for_each_connection() -> None:
    """Otherwise it would measure fewer connections than it names."""
    with (
        _server_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port,
        pytest.raises(BadAnswerError, match="fewer requests"),
    ):
        run(Job(port, (), b"ok", 1, 0.05, once=True))


def test_a_round_of_refusals_fails() -> None:
    """One wrong response ends the round with the server's message."""
    with (
        _server_of(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno") as port,
        pytest.raises(BadAnswerError, match="403"),
    ):
        run(Job(port, (b"GET / HTTP/1.1\r\n\r\n",), b"ok", 1, 0.05))
