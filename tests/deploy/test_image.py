"""The container image: its size, its rights, its server, its health and its end."""

import json
import os
import signal
import stat
import time
from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest
from tests.deploy.image_runs import Image, first_process
from tests.process.daypass import ROOT
from tests.sockets import free_port

from daypass.wire.model import JSON_SERVICES, SERVICES

pytestmark = [pytest.mark.slow, pytest.mark.component("buildah")]

_MOST_BYTES = 120_000_000
_USER = 10_001


@pytest.fixture(scope="module")
def image() -> Image:
    """Return the image that .ci/image built."""
    return Image()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the directory of the volume, which belongs to the image's user."""
    for each in (tmp_path, *tmp_path.parents):
        if each.owner() == "root" and each.name.startswith("pytest"):
            each.chmod(0o711)  # so that the user reaches the volume
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, _USER, _USER)
    return folder


def _settings(port: int) -> Mapping[str, str]:
    return {
        **ROOT,
        "DAYPASS_PORT": str(port),
        "DAYPASS_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DAYPASS_TRUSTED_PROXIES": "127.0.0.1/32",
        "DAYPASS_DRAIN_SECONDS": "1",
    }


def test_the_image_is_small(image: Image) -> None:
    """It has at most 120 MB beyond its base."""
    assert image.config["image_bytes"] - image.config["base_bytes"] < _MOST_BYTES


def test_the_image_says_how_to_run_it(image: Image) -> None:
    """A runtime finds a user without a name, the signal to stop, the port, the volume, the check and the labels."""
    config = image.config
    assert config["User"] == f"{_USER}:{_USER}"
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"7878/tcp"}
    assert set(config["Volumes"]) == {"/var/lib/daypass"}
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert config["Labels"]["org.opencontainers.image.version"] == "0.0.1"
    assert {f"org.opencontainers.image.{each}" for each in ("title", "licenses", "revision")} <= set(config["Labels"])


def test_the_image_has_no_tools_of_the_build(image: Image) -> None:
    """Neither pip nor a cache is in it, nor a file that its user may change."""
    installed = image.root / "opt/daypass"
    assert not list(installed.glob("lib/python3*/site-packages/pip"))
    assert not [path for path in installed.rglob("*") if not path.is_symlink() and path.stat().st_uid != 0]
    assert not [path for path in installed.rglob("*") if path.stat().st_mode & stat.S_IWOTH]
    assert stat.S_IMODE((image.root / "var/lib/daypass").stat().st_mode) == stat.S_IRWXU


def test_the_image_has_the_models_of_all_served_services_only(image: Image) -> None:
    """The server knows each of its operations. The tests of the operations read the same models."""
    (models,) = image.root.glob("opt/daypass/lib/python3*/site-packages/botocore/data")
    found = {path.parent.parent.name: path.parent.name for path in models.glob("*/*/service-2.json.gz")}
    assert found == {**SERVICES, **JSON_SERVICES}


def test_the_image_serves_and_stops(image: Image, data: Path) -> None:
    """With read-only files, as an ordinary user and as process 1: it answers, is healthy, drains and exits with 0."""
    port = free_port()
    settings = _settings(port)
    with image.running(data, settings) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        ready = next((line for line in lines if '"event": "ready"' in line), "")
        assert ready
        assert json.loads(ready)["pid"] == 1
        server = first_process(process)
        assert Path(f"/proc/{server}").stat().st_uid == _USER
        client = boto3.client(
            "sts",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id=ROOT["DAYPASS_ROOT_ACCESS_KEY_ID"],
            aws_secret_access_key=ROOT["DAYPASS_ROOT_SECRET_ACCESS_KEY"],
        )
        assert client.get_caller_identity()["Account"] == ROOT["DAYPASS_ROOT_ACCOUNT_ID"]
        check = image.config["Healthcheck"]["Test"][1:]
        healthy = image.run(data, settings, *check)
        assert (healthy.returncode, healthy.stdout) == (0, "")
        begun = time.monotonic()
        os.kill(server, signal.SIGTERM)
        assert process.wait(60) == 0
        assert time.monotonic() - begun > 1  # drain_seconds
    late = image.run(data, settings, *check)
    assert late.returncode == 1
    assert "does not answer" in late.stdout
    assert {path.stat().st_mode & 0o077 for path in data.iterdir()} == {0}


def test_every_command_of_the_image_starts(image: Image, data: Path) -> None:
    """What prune.py removes is not needed by a command of operators or people."""
    for words in (("--help",), ("gateway", "--help"), ("sts", "get-caller-identity", "--help"), ("dev", "--help")):
        done = image.run(data, {}, "daypass", *words)
        assert done.returncode == 0, done.stdout
    created = image.run(data, {}, "daypass", "account", "create")
    assert created.returncode == 0, created.stdout


def test_the_image_says_what_it_needs(image: Image, data: Path) -> None:
    """Without settings, the message names the setting that is missing, and the code is that of a configuration."""
    done = image.run(data, {}, *image.config["Entrypoint"], *image.config["Cmd"])
    assert done.returncode == 6
    assert "DAYPASS_TRUSTED_PROXIES" in done.stdout
