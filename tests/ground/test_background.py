"""A background thread ends when it is stopped."""

import threading

from daypass.background import Background


def test_work_ends_on_request() -> None:
    """`stop` returns once the work has ended, and may be called again."""
    rounds: list[str] = []

    def work() -> None:
        while not thread.stopping.wait(0.001):
            rounds.append("round")
        rounds.append("end")

    thread = Background("worker", work)
    running = [thread.is_running]
    thread.start()
    running.append(thread.is_running)
    thread.stop()
    running.append(thread.is_running)
    thread.stop()
    assert running == [False, True, False]
    assert rounds[-1] == "end"


def test_the_wait_for_work_that_does_not_end_has_a_limit() -> None:
    """`stop` returns after its timeout."""
    end = threading.Event()

    def work() -> None:
        end.wait()

    thread = Background("worker", work)
    thread.start()
    thread.stop(0.01)
    running = [thread.is_running]
    end.set()
    thread.stop()
    running.append(thread.is_running)
    assert running == [True, False]


def test_work_that_was_not_started_is_stopped_at_once() -> None:
    """A server that fails during startup stops threads before their start."""
    thread = Background("worker", lambda: None)
    thread.stop()
    assert not thread.is_running
