"""Callers cannot write lines into the server's log, or fill it."""

import json
import subprocess
import sys

LOGGING = """
import logging
import structlog
from daypass.cli.shared.logs import set_up_logs

set_up_logs("info")
structlog.get_logger().info("ours", path="/\\nforged")
logging.getLogger("a.library").warning("theirs %s", "\\nERROR forged")
try:
    raise ValueError("forged\\nforged")
except ValueError:
    logging.getLogger("a.library").exception("it failed")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
"""


def test_libraries_log_one_json_document_a_line() -> None:
    """A line end in a caller's string does not start a new line of the log.

    Libraries log such strings.
    """
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs \nERROR forged", "it failed"]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert "ValueError: forged" in lines[2]["exception"]


def test_the_log_of_a_command_is_not_in_its_output() -> None:
    """Scripts read the document of a command on standard output."""
    program = """
import structlog
from daypass.cli.shared.logs import log_to_standard_error
log_to_standard_error()
structlog.get_logger().error("audit_events_lost")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "audit_events_lost" in done.stderr


def test_a_server_of_a_test_does_not_log_to_standard_output() -> None:
    """A test that captures the output of a command would find the log of another test's server in it."""
    program = "import daypass.testing.server, structlog; structlog.get_logger().warning('notification failed')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "notification failed" in done.stderr
