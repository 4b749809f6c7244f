"""The data of version 0.1.0, and a server of the present version on a copy of it.

The clocks of server and clients stand at the second at which the data was written.
"""

import gzip
import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import psycopg
import pytest
from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from click.testing import CliRunner, Result
from structlog.testing import capture_logs
from tests.storage.postgresql import fresh_database

from daypass.cli.main import cli
from daypass.config import Config
from daypass.testing.clock import MovableClock
from daypass.testing.plugin import ClientFactory, client_factory
from daypass.testing.server import RunningServer, running_server

DATA = Path(__file__).with_name("data")
MEMBER, PARTNER = "444455556666", "555566667777"
PUBLIC_URL = "https://sts.upgrade.example"
OF_THE_TEST = "999988887777"  # running_server creates an account, and the old ids are taken


def unpacked(name: str) -> bytes:
    """Return a file of the data."""
    return gzip.decompress((DATA / f"{name}.gz").read_bytes())


@cache
def recorded() -> Mapping[str, Any]:
    """Return the secrets and sessions of the old version, and the time at which it stopped."""
    found: Mapping[str, Any] = json.loads(unpacked("credentials.json"))
    return found


def then() -> datetime:
    """Return the second at which the old version stopped."""
    return datetime.fromisoformat(recorded()["now"])


@contextmanager
def sqlite_copy(folder: Path) -> Iterator[str]:
    """Yield the URL of a copy of the old SQLite file."""
    path = folder / "daypass.db"
    path.write_bytes(unpacked("daypass.db"))
    yield f"sqlite:///{path}"


@contextmanager
def postgresql_copy(_: Path) -> Iterator[str]:
    """Yield the URL of a database with the old dump."""
    with fresh_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(unpacked("daypass.sql"))
        yield url


COPIES = {"sqlite": sqlite_copy, "postgresql": postgresql_copy}


@pytest.fixture(params=COPIES)
def old_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a copy of the old store, once for each kind of database."""
    with COPIES[request.param](tmp_path) as url:
        yield url


@pytest.fixture
def old_sqlite(tmp_path: Path) -> Iterator[str]:
    """Return the URL of a copy of the old SQLite file, if the kind of database makes no difference."""
    with sqlite_copy(tmp_path) as url:
        yield url


@dataclass(frozen=True)
class Upgraded:
    """A server of the present version on the old store."""

    server: RunningServer

    @property
    def client(self) -> ClientFactory:
        """Return the factory of boto3 clients."""
        return client_factory(self.server)

    @property
    def iam(self) -> Any:
        """Return a client of the member account's root user."""
        return self.client("iam", recorded()["roots"][MEMBER])

    @property
    def unsigned(self) -> Any:
        """Return a client without credentials."""
        config = BotoConfig(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
        return boto3.client("sts", endpoint_url=self.server.url, region_name="us-east-1", config=config)

    def command(self, *words: str, code: int = 0) -> Result:
        """Run an operators' command beside the server."""
        return command(self.server.config.store, *words, code=code)


def command(store: str, *words: str, code: int = 0) -> Result:
    """Run an operators' command on a store, with the secrets of the old identity file."""
    secrets = {f"DAYPASS_SECRET_{name}": value for name, value in recorded()["secrets"].items()}
    given = {**secrets, "DAYPASS_MASTER_KEY": recorded()["master_key"]}
    done = CliRunner().invoke(cli, [*words, "--store", store], env=given)
    assert done.exit_code == code, done.output
    return done


@contextmanager
def upgraded(url: str, *, at: datetime | None = None) -> Iterator[Upgraded]:
    """Run the present server on an old store; clients sign by its clock."""
    clock, config = MovableClock(), Config(public_url=PUBLIC_URL)
    clock.freeze(at or then())
    key = recorded()["master_key"]

    def now(*, remove_tzinfo: bool = True) -> datetime:
        return clock.now().replace(tzinfo=None) if remove_tzinfo else clock.now()

    with (
        # A webhook of the old store cannot be reached; the log of that must not mix with the output of a command.
        capture_logs(),
        patch("botocore.auth.get_current_datetime", now),
        # With awscrt installed, botocore signs by it.
        patch("botocore.crt.auth.get_current_datetime", now),
        running_server(store=url, account=OF_THE_TEST, config=config, master_key=key, clock=clock) as server,
    ):
        # Its public name does not resolve; calls go to its listening address.
        yield Upgraded(replace(server, url=f"http://127.0.0.1:{server.config.port}"))


@pytest.fixture(scope="module", params=COPIES)
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """Run a server for a file's tests, once for each kind of database."""
    with COPIES[request.param](tmp_path_factory.mktemp("old")) as url, upgraded(url) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a copy of the old home directory."""
    with tarfile.open(fileobj=io.BytesIO(unpacked("home.tar"))) as archive:
        archive.extractall(tmp_path / "home", filter="data")
    return tmp_path / "home"


def at_home(home: Path, *words: str) -> Result:
    """Run a command as the owner of the home directory."""
    files = {"AWS_CONFIG_FILE": home / ".aws/config", "AWS_SHARED_CREDENTIALS_FILE": home / ".aws/credentials"}
    known = [name for name in os.environ if name.startswith(("AWS_", "DAYPASS_", "XDG_"))]
    # Profiles run `daypass credential-process` by its name.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    places = {"HOME": str(home), "PATH": path, **{name: str(file) for name, file in files.items()}}
    nothing: dict[str, str | None] = dict.fromkeys(known)
    return CliRunner().invoke(cli, words, env={**nothing, **places})
