"""The server imports few modules before it is ready: imports are most of the time of a start.

Modules are counted, not milliseconds, so that the result is the same on every machine.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from daypass.config import load_config
from daypass.storage.master_key import MasterKeySource
from daypass.wiring_store import open_everything

# Each with the moment at which it is imported instead.
_LATER = {
    "aiohttp": "the first fetch",
    "alembic": "a migration",
    "attr": "never; aiohttp imports it",
    "boto3": "never",
    "botocore.session": "never; botocore's models are read as files",
    "daypass.apply": "`daypass apply`",
    "daypass.client": "never; it is the client",
    "daypass.dev": "`daypass dev`",
    "daypass.importing": "`daypass import`",
    "daypass.portal": "right after the start",
    "jinja2": "right after the start, for the portal",
    "pygments": "never; rich imports it",
    "rich": "never; structlog imports it where it is installed",
    "sqlalchemy.orm": "never",
    "starlette": "right after the start, for the portal",
    "yarl": "the first fetch",
}
_MOST_MODULES = 1064  # 990 on Python 3.11

_PROGRAM = """
import json, sys
import click
from daypass.cli.main import cli
cli.get_command(click.Context(cli), "serve")  # as the command line imports it
from daypass.config import load_config
from daypass.storage.master_key import MasterKeySource
from daypass.wiring import build_app
from daypass.wiring_store import open_everything
config = load_config({"store": sys.argv[1], "audit_log": "none"}, {})
app = build_app(config, open_everything(config, MasterKeySource()))
json.dump(sorted(sys.modules), sys.stdout)
for stop in app.on_stop:
    stop()
"""


def test_serve_imports_few_modules_before_it_is_ready(tmp_path: Path) -> None:
    """The store exists, as at every start but the first."""
    store = f"sqlite:///{tmp_path / 'daypass.db'}"
    open_everything(load_config({"store": store}, {}), MasterKeySource()).store.close()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, store], env=environment, capture_output=True, text=True, check=True
    )
    modules = set(json.loads(done.stdout))
    assert modules & set(_LATER) == set()
    assert len(modules) <= _MOST_MODULES, sorted(modules)
