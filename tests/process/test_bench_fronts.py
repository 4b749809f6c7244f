"""The servers that `make bench-gateway` measures."""

import socket
from http.client import HTTPResponse
from pathlib import Path

import pytest
from bench.gateway_servers import started_fronts
from bench.s3_requests import get_object, new_session
from bench.servers import choose_cores, started_daypass
from bench.subjects import ROOT, ROOT_ENVIRONMENT

pytestmark = pytest.mark.slow


def test_the_servers_of_the_gateway_benchmark_answer(tmp_path: Path) -> None:
    """The gateways accept the stand-in for the store, and an object arrives through every judging front."""
    cores, store = choose_cores(), tmp_path / "gateway.db"
    with started_daypass(cores.server, store, ROOT_ENVIRONMENT) as daypass:
        session = new_session(daypass, ROOT)
        with started_fronts(cores, tmp_path, store) as fronts:
            judging = [fronts.plain, *([] if fronts.nginx is None else [fronts.nginx.judged])]
            answers = [_get(front.port, get_object(session, front.port, "1/4096")) for front in judging]
    assert answers == [(200, bytes(4096))] * len(judging)


def _get(port: int, request: bytes) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()
