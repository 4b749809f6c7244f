"""The judgement of `make soak`: growth is refused, and so is an audit log that lost or broke a line."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from bench.soak.audit import judge_audit
from bench.soak.calls import Call
from bench.soak.clients import Tally
from bench.soak.verdict import Limits, Sample, judge_processes

_LIMITS = Limits()
_HOUR = 3600


def _flat(_seconds: float) -> float:
    return 0.0


def _samples(
    mib: Callable[[float], float] = _flat,
    threads: Callable[[float], float] = _flat,
    descriptors: Callable[[float], float] = _flat,
    *,
    last: int = _HOUR,
) -> list[Sample]:
    return [Sample(t, 7, 90 + mib(t), 8 + int(threads(t)), 30 + int(descriptors(t))) for t in range(10, last + 1, 10)]


def _spikes(seconds: float) -> float:
    return 50.0 if seconds % 300 == 0 else 0.0


def _warm_up(seconds: float) -> float:
    return 40 * min(1.0, seconds / 900)


@pytest.mark.parametrize("mib", [_flat, _spikes, _warm_up, lambda t: -20 * t / _HOUR, lambda t: 16 * t / _HOUR])
def test_memory_that_does_not_go_on_growing_passes(mib: Callable[[float], float]) -> None:
    """Neither the warm-up nor single samples count, and the stated slope is allowed."""
    assert judge_processes(_samples(mib), _LIMITS) == []


def test_memory_that_goes_on_growing_is_refused() -> None:
    """Half an hour lies between the medians of the two thirds: 12 MiB are allowed in it."""
    [fault] = judge_processes(_samples(lambda t: 30 * t / _HOUR), _LIMITS)
    assert fault.startswith("memory grows: process 7: RSS +15.08 MiB (+30.0 an hour)")
    assert fault.endswith("16 MiB an hour and 4 MiB of noise are allowed")


def test_threads_and_descriptors_that_grow_are_refused() -> None:
    """A leak of one in two minutes is found within the hour, one of a pool that fills is not."""
    faults = judge_processes(_samples(threads=lambda t: t // 120, descriptors=lambda t: t // 120), _LIMITS)
    assert [fault.partition(":")[0] for fault in faults] == ["threads grow", "descriptors grow"]
    assert judge_processes(_samples(threads=lambda t: t // 1800, descriptors=lambda t: t // 300), _LIMITS) == []


def test_growth_of_a_short_run_is_not_judged() -> None:
    """Caches fill in the first minutes, so a slope of them means nothing."""
    assert judge_processes(_samples(lambda t: t, last=790), _LIMITS) == []
    assert len(judge_processes(_samples(lambda t: t, last=800), _LIMITS)) == 1


def test_a_process_that_ends_is_a_fault_in_a_short_run_too() -> None:
    """The supervisor starts another worker, so the answers alone may not show it."""
    samples = [Sample(1, 7, 90, 8, 30), Sample(1, 8, 90, 8, 30), Sample(2, 7, 90, 8, 30), Sample(2, 9, 90, 8, 30)]
    assert judge_processes(samples, _LIMITS) == [
        "process 8 ended during the run",
        "process 9 was started during the run",
    ]
    assert judge_processes([], _LIMITS) == ["no process was sampled"]


def _event(request_id: UUID, **more: Any) -> bytes:
    kept = {"userAgent": "daypass-bench", "userIdentity": {"type": "IAMUser"}, "requestID": str(request_id)}
    return json.dumps(kept | more).encode() + b"\n"


def _refusals(count: int) -> bytes:
    return _event(uuid4(), userIdentity={"type": "Unknown"}, additionalEventData={"aggregated": {"count": count}})


_IDS = (UUID(int=1), UUID(int=5), UUID(int=9))
_LINES = (*map(_event, _IDS), _refusals(4), _event(uuid4(), userAgent="Boto3"))


def _judged(lines: Sequence[bytes]) -> list[str]:
    tally = Tally(authenticated=len(_IDS), ids=sum(each.int for each in _IDS), refused=4)
    return judge_audit(lines, tally)


def test_a_complete_audit_log_passes_in_any_order() -> None:
    """Two workers write it, and events of other clients are not counted."""
    assert _judged(_LINES) == []
    assert _judged(_LINES[::-1]) == []


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (_LINES[1:], "the audit log has 2 events of 3 authenticated calls"),
        ((*_LINES, _LINES[0]), "the audit log has 4 events of 3 authenticated calls"),
        ((_LINES[1], *_LINES[1:]), "the audit log has events of other request ids than the responses"),
        ((*_LINES[:3], _refusals(3)), "the audit log counts 3 of 4 calls with a wrong signature"),
        ((*_LINES, b'{"a":1}{"b":2}\n'), 'line 6 of the audit log is not whole: b\'{"a":1}{"b":2}\\n\''),
        ((*_LINES, b'{"a":1}'), "line 6 of the audit log is not whole: b'{\"a\":1}'"),
    ],
)
def test_an_audit_log_that_lost_repeated_or_broke_a_line_is_refused(lines: Sequence[bytes], fault: str) -> None:
    """Each request id is there once, and each line is one whole object."""
    assert _judged(lines) == [fault]


_CALL = Call("session", b"", (b"<Arn>arn:aws:sts::111122223333:assumed-role/bench/s-1</Arn>",))
_ANSWER = b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 00000000-0000-0000-0000-000000000005\r\n\r\n" + _CALL.markers[0]


def test_a_right_answer_is_counted_with_its_request_id() -> None:
    """The audit log must contain the id later."""
    tally = Tally()
    assert tally.add(_CALL, _ANSWER, 1)
    assert (tally.authenticated, tally.ids, tally.wrong, tally.faults) == (1, 5, 0, [])


@pytest.mark.parametrize("wrong", [_ANSWER.replace(b"200", b"403"), _ANSWER.replace(b"s-1", b"s-12"), b""])
def test_an_answer_of_another_status_or_caller_is_a_fault(wrong: bytes) -> None:
    """An answer to another session is the worst fault, although its status is 200."""
    tally = Tally()
    assert not tally.add(_CALL, wrong, 1)
    assert tally.wrong == 1
    assert tally.faults[0].startswith("session: expected 200 with (b'<Arn>arn:aws:sts::111122223333:assumed-role/")
