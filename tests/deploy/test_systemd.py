"""The units of packaging/systemd, judged and started by systemd's own programs."""

import re
import subprocess
from pathlib import Path

import pytest
from tests.components import find_program
from tests.deploy.unit_files import FOLDER, SERVICES, runnable_units, values
from tests.process.daypass import BIN, ROOT, Running, clean_environment
from tests.sockets import free_port

from daypass.config import Config, load_config
from daypass.http.listening import HANDSHAKE_SECONDS
from daypass.http.server import GRACE_SECONDS

_MOST_EXPOSURE = 2.0
_PAGE = Path(__file__).parents[2] / "docs/systemd.md"


def _analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    program = find_program("systemd-analyze")
    assert program is not None
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.component("systemd")
def test_the_units_are_valid(tmp_path: Path) -> None:
    """Systemd knows each section, setting and value, and finds each program and unit that they name."""
    done = _analyze("verify", "--man=no", "--recursive-errors=no", *map(str, runnable_units(tmp_path)))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.component("systemd")
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardly_exposed(name: str) -> None:
    """The rating is below 2.0, as the page says. Each version of systemd counts a little differently."""
    done = _analyze("security", "--offline=true", "--no-pager", str(FOLDER / name))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) < _MOST_EXPOSURE
    assert f"exposure below {_MOST_EXPOSURE}," in " ".join(_PAGE.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_waits_until_the_last_request_is_answered(name: str) -> None:
    """TimeoutStopSec is longer than the drain, the end of the listener and the last requests."""
    (seconds,) = values(name, "Service", "TimeoutStopSec")
    assert int(seconds) > Config().drain_seconds + HANDSHAKE_SECONDS + GRACE_SECONDS


@pytest.mark.parametrize("name", SERVICES)
def test_a_credential_is_used_and_given(name: str) -> None:
    """Each `%d/FILE` of a setting is a credential, and each unit names its keys so."""
    given = {each.partition(":")[0] for each in values(name, "Service", "LoadCredential")}
    used = {each.partition("%d/")[2] for each in values(name, "Service", "Environment")}
    assert used <= given
    assert "master.key" in used


def test_the_settings_beside_the_units_are_valid() -> None:
    """Both TOML files load, and agree with the credentials of the units."""
    load_config({}, {}, (FOLDER / "daypass.toml").read_text(encoding="utf-8"))
    text = (FOLDER / "gateway.toml").read_text(encoding="utf-8")
    load_config({}, {}, text)
    assert "/run/credentials/daypass-gateway.service/backend.key" in text
    assert "backend.key:/etc/daypass/backend.key" in values("daypass-gateway.service", "Service", "LoadCredential")


def test_the_page_names_every_file() -> None:
    """docs/systemd.md says of each file where it goes, and names no file that does not exist."""
    named = set(re.findall(r"`([\w-]+\.(?:service|socket|conf|toml))`", _PAGE.read_text(encoding="utf-8")))
    assert named - {"pg_service.conf"} == {each.name for each in FOLDER.iterdir()}


@pytest.mark.slow
@pytest.mark.component("systemd")
def test_a_socket_of_systemd_serves_signed_calls(tmp_path: Path) -> None:
    """The first connection starts the command of the unit, with credentials as systemd gives them."""
    (command,) = values("daypass.service", "Service", "ExecStart")
    words = command.replace("/etc/daypass", str(tmp_path)).split()[1:]
    settings = (FOLDER / "daypass.toml").read_text(encoding="utf-8").replace("/var/lib/daypass", str(tmp_path))
    (tmp_path / "daypass.toml").write_text(settings, encoding="utf-8")
    key = tmp_path / "master.key"
    key.write_text("00" * 32, encoding="utf-8")
    key.chmod(0o400)
    port = free_port()
    activate = find_program("systemd-socket-activate")
    assert activate is not None
    environment = clean_environment({**ROOT, "DAYPASS_MASTER_KEY_FILE": str(key)})
    passed = [f"--setenv={name}" for name in environment if name.startswith(("DAYPASS_", "PATH", "HOME"))]
    process = subprocess.Popen(
        [activate, f"--listen=127.0.0.1:{port}", "--fdname=http", *passed, str(BIN), *words],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "Listening on" in process.stderr.readline()
        running = Running(process, f"http://127.0.0.1:{port}", [])
        assert running.client("sts").get_caller_identity()["Account"] == ROOT["DAYPASS_ROOT_ACCOUNT_ID"]
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate(timeout=60)
