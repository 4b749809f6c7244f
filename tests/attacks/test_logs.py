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
