"""Ceph's RADOS gateway: one monitor, one OSD that keeps its data in memory, and radosgw.

Everything runs as the user of the tests, in a temporary directory and on free ports of the loopback interface, with
keys of its own. It takes about ten seconds to start. By default, a monitor stops on a disk that is 95 % full.
"""

import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.components import find_program
from tests.gateway.stores import ACCESS_KEY_ID, SECRET, StoreServer, wait_for_store
from tests.sockets import free_port

_SECONDS = 60
_CAPS = {
    "mon.": ("mon", "allow *"),
    "client.admin": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "client.rgw": ("mon", "allow *", "osd", "allow *", "mgr", "allow *"),
    "osd.0": ("mon", "allow profile osd", "osd", "allow *", "mgr", "allow profile osd"),
}
_CONFIGURATION = """
[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{monitor}
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
run dir = {folder}
mon data = {folder}/mon
mon data avail crit = 1
mon data avail warn = 2
mon allow pool size one = true
mon max pg per osd = 1000
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {folder}/rgw
"""


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """Run Ceph for the whole test run."""
    with running_radosgw(tmp_path_factory.mktemp("ceph")) as store:
        yield store


@contextmanager
def running_radosgw(folder: Path, more_settings: str = "") -> Iterator[StoreServer]:
    """Run a cluster of Ceph with one gateway. `more_settings` are lines of its configuration."""
    fsid, osd, store = str(uuid.uuid4()), str(uuid.uuid4()), StoreServer("ceph", free_port())
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    text = _CONFIGURATION.format(fsid=fsid, monitor=(monitor := free_port()), folder=folder, port=store.port)
    (folder / "ceph.conf").write_text(text + more_settings)
    keys, monmap = str(folder / "keyring"), str(folder / "monmap")
    for number, (name, caps) in enumerate(_CAPS.items()):
        pairs = [word for kind, rule in zip(caps[::2], caps[1::2], strict=True) for word in ("--cap", kind, rule)]
        run_ceph(
            folder, "ceph-authtool", keys, *(() if number else ("--create-keyring",)), "--gen-key", "-n", name, *pairs
        )
    run_ceph(folder, "monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{monitor}]", monmap)
    run_ceph(folder, "ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keys)
    with ExitStack() as stack:
        stack.enter_context(_daemon(folder, "ceph-mon", "-i", "a"))
        run_ceph(folder, "ceph", "--connect-timeout", str(_SECONDS), "osd", "new", osd)
        run_ceph(folder, "ceph", "auth", "import", "-i", keys)
        run_ceph(folder, "ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        stack.enter_context(_daemon(folder, "ceph-osd", "-i", "0"))
        run_ceph(folder, "ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
        user = ("--uid", "gateway", "--display-name", "gateway", "--access-key", ACCESS_KEY_ID, "--secret-key", SECRET)
        run_ceph(folder, "radosgw-admin", "-n", "client.rgw", "user", "create", *user)
        process = stack.enter_context(_daemon(folder, "radosgw", "-n", "client.rgw"))
        wait_for_store(process, store.client().list_buckets, folder / "radosgw.output")
        yield store


def _command(folder: Path, program: str, *words: str) -> list[str]:
    path = find_program(program)
    assert path is not None, f"{program} is not installed"
    return [path, "-c", str(folder / "ceph.conf"), *words] if program not in _WITHOUT_FILE else [path, *words]


_WITHOUT_FILE = frozenset({"ceph-authtool", "monmaptool"})


def run_ceph(folder: Path, program: str, *words: str) -> None:
    """Run one of Ceph's programs in the cluster of a directory, and check that it succeeds."""
    done = subprocess.run(
        _command(folder, program, *words),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stderr[-2_000:]}"


@contextmanager
def _daemon(folder: Path, program: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in the foreground, and kill it at the end: its data is not needed."""
    with (folder / f"{program}.output").open("wb") as output:
        process = subprocess.Popen(
            _command(folder, program, *words, "-f"),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
