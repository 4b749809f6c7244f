"""`daypass gateway check` finds out how a store behaves: SeaweedFS folds keys, moto does not."""

import json
import threading
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from tests.gateway.stores import StoreServer
from tests.gateway.transfers.scripted_store import ScriptedStore, StoreSide
from tests.process.daypass import run
from tests.process.daypass_gateway import key_file
from tests.slow_cases import quick_first

from daypass.cli.main import cli
from daypass.gateway.plan import Backend
from daypass.gateway.stores.backend_calls import CalledBackend
from daypass.gateway.stores.check import (
    SETTLE_SECONDS,
    UNAVAILABLE,
    WRONG_PROFILE,
    FindingOutcome,
    StoreCheck,
    StoreFinding,
    find_safe_profile,
)
from daypass.gateway.stores.profiles import PROFILES, UNKNOWN, StoreProfile
from daypass.gateway.stores.store_probe import StoreProbe
from daypass.verify.s3.bodies.bodies import BodyProfile
from daypass.verify.s3.operations.object_keys import EXACT
from daypass.verify.s3.resign import BackendAddress, BackendKey

PLAIN = BodyProfile(commits_short_bodies=False, signed_chunks=False)
CEPH = (pytest.mark.slow, pytest.mark.component("radosgw"))
CHUNKS = BodyProfile(commits_short_bodies=False)


def check_of(store: StoreServer, profile: StoreProfile, settle_seconds: float = SETTLE_SECONDS) -> StoreCheck:
    """Return the check of a store against a profile."""
    key = BackendKey(store.access_key_id, store.secret, store.region)
    address = BackendAddress(f"127.0.0.1:{store.port}".encode(), key)
    called = CalledBackend(Backend("store", "127.0.0.1", store.port, secure=False), address)
    return StoreCheck(StoreProbe(called, "daypass-check-test", lambda: datetime.now(UTC)), profile, settle_seconds)


def by_name(findings: tuple[StoreFinding, ...]) -> dict[str, StoreFinding]:
    """Return the findings by name."""
    return {finding.name: finding for finding in findings}


@pytest.fixture(
    params=["moto_store", pytest.param("seaweedfs", marks=pytest.mark.slow), pytest.param("radosgw", marks=CEPH)]
)
def store(request: pytest.FixtureRequest) -> StoreServer:
    """Return each store."""
    found: StoreServer = request.getfixturevalue(request.param)
    return found


def test_a_store_behaves_as_its_profile_says(store: StoreServer) -> None:
    """Every check passes, and the scratch bucket is gone."""
    findings = check_of(store, PROFILES[store.name]).findings()
    assert [one for one in findings if one.outcome is not FindingOutcome.PASSED] == []
    assert len(findings) == 6
    assert not [one for one in store.client().list_buckets()["Buckets"] if one["Name"].startswith("daypass-check")]


@pytest.mark.slow
def test_ceph_stores_uploads_in_chunks_that_are_cut_off(radosgw: StoreServer) -> None:
    """The profile for an unknown store is wrong, and plain bodies are right."""
    finding = by_name(check_of(radosgw, UNKNOWN).quick_findings())["cut uploads"]
    assert (finding.outcome, finding.code) == (FindingOutcome.FAILED, WRONG_PROFILE)
    assert finding.message.endswith(": STREAMING-AWS4-HMAC-SHA256-PAYLOAD.")


@pytest.mark.slow
def test_a_store_that_folds_keys_is_not_exact(seaweedfs: StoreServer) -> None:
    """The message names the keys, and the quick check at the start finds it too."""
    check = check_of(seaweedfs, replace(UNKNOWN, keys=EXACT))
    for findings in (check.findings(), check.quick_findings()):
        keys = by_name(findings)["keys"]
        assert (keys.outcome, keys.code) == (FindingOutcome.FAILED, WRONG_PROFILE)
        assert "'k00/a//b'" in keys.message
        assert "'k08/B'" not in keys.message


@pytest.mark.slow
def test_an_operation_that_the_store_does_not_know_is_found(moto_store: StoreServer) -> None:
    """Moto answers ?retention and ?torrent with the object."""
    wrong = replace(PROFILES["moto"], operations=PROFILES["moto"].operations | {"GetObjectRetention"})
    finding = by_name(check_of(moto_store, wrong).findings())["operations"]
    assert (finding.outcome, finding.code) == (FindingOutcome.FAILED, WRONG_PROFILE)
    assert finding.message.endswith(": GetObjectRetention.")


class CarelessStore:
    """A store that answers 200 and keeps what it receives, also of some bodies that are cut off."""

    def __init__(self, kept: AbstractSet[str]) -> None:
        self._objects: dict[bytes, bytes] = {}
        self._uploads = 0
        self._changed = threading.Condition()
        self._kept = kept

    def __call__(self, side: StoreSide) -> None:
        """Answer one request."""
        request = side.read_head()
        method, target = request.line.split(b" ")[:2]
        with self._changed:
            self._uploads += method == b"PUT"
        is_cut = False
        try:
            side.read_body(request)
        except EOFError:
            is_cut = True
        form = "chunks" if b"STREAMING-" in request.head else "plain"
        with self._changed:
            if method == b"PUT" and (not is_cut or form in self._kept):
                self._objects[target] = request.body
            self._uploads -= method == b"PUT"
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._uploads or method == b"PUT")
            body = self._objects.get(target, b"") if method == b"GET" else b""
        if not is_cut:
            side.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@pytest.fixture
def careless(request: pytest.FixtureRequest) -> Iterator[StoreServer]:
    """Run a store that keeps what was cut off, in the forms of the parameter."""
    scripted = ScriptedStore(CarelessStore(request.param))
    yield StoreServer("careless", scripted.port)
    scripted.close()


@pytest.mark.parametrize(
    ("careless", "bodies", "is_right"),
    [
        ({"plain"}, PLAIN, False),
        ({"plain"}, CHUNKS, False),
        ({"plain"}, BodyProfile(), True),
        ({"chunks"}, PLAIN, True),
        ({"chunks"}, CHUNKS, False),
        ({"chunks"}, BodyProfile(), False),
        (set(), CHUNKS, True),
    ],
    indirect=["careless"],
)
def test_a_store_that_keeps_cut_uploads_is_found(careless: StoreServer, bodies: BodyProfile, *, is_right: bool) -> None:
    """The gateway must not send uploads in a form in which the store does not see a cut."""
    finding = check_of(careless, replace(UNKNOWN, bodies=bodies), settle_seconds=0.05).check_cut_uploads()
    assert (finding.outcome is FindingOutcome.PASSED) == is_right
    assert finding.code == ("" if is_right else WRONG_PROFILE)


@pytest.mark.parametrize(
    ("careless", "safe"),
    quick_first([({"plain", "chunks"}, None), (set(), UNKNOWN), ({"chunks"}, PROFILES["plain"]), ({"plain"}, UNKNOWN)]),
    indirect=["careless"],
)
def test_the_profile_for_a_store_of_another_kind(careless: StoreServer, safe: StoreProfile | None) -> None:
    """A profile in which the store sees a cut is found, and a store that never sees it has none."""

    def check(profile: StoreProfile) -> tuple[StoreFinding, ...]:
        return (check_of(careless, profile, settle_seconds=0.05).check_cut_uploads(),)

    given = replace(UNKNOWN, bodies=PLAIN)
    assert find_safe_profile(UNKNOWN, check(UNKNOWN), check) is safe
    assert find_safe_profile(given, check(given), check) in (safe, given)


def test_a_store_that_does_not_answer_has_no_safe_profile() -> None:
    """It is not asked again."""
    findings = (StoreFinding("scratch bucket", FindingOutcome.FAILED, UNAVAILABLE),)
    assert find_safe_profile(UNKNOWN, findings, lambda _: ()) is None


def test_a_store_that_does_not_answer_is_not_a_wrong_profile() -> None:
    """The gateway starts, and says that it could not check."""
    findings = check_of(StoreServer("none", 1), PROFILES["moto"]).quick_findings()
    assert [(one.outcome, one.code) for one in findings] == [(FindingOutcome.FAILED, UNAVAILABLE)]


def command(folder: Path, store: StoreServer, profile: str, output: str = "json") -> tuple[int, Any]:
    """Run the command, and return its exit code and output."""
    words = ("--backend", store.url, "--backend-key-file", key_file(folder, store), "--profile", profile)
    done = CliRunner().invoke(cli, ["gateway", "check", *words, "--output", output])
    return done.exit_code, json.loads(done.stdout) if output == "json" else done.stdout


def test_the_report_of_a_right_profile(tmp_path: Path, moto_store: StoreServer) -> None:
    """The exit code is 0, and the document has the schema of the inspectors."""
    code, document = command(tmp_path, moto_store, "moto")
    assert (code, document["Outcome"], document["Code"], document["Message"]) == (0, "accepted", None, None)
    assert {check["Outcome"] for check in document["Checks"]} == {"passed"}
    assert document["Checks"][0]["Name"] == "scratch bucket"
    code, text = command(tmp_path, moto_store, "moto", "text")
    assert code == 0
    assert text.endswith("The store behaves as the profile says.\nStart the gateway with --profile moto.\n")


@pytest.mark.slow
def test_the_report_of_a_wrong_profile(tmp_path: Path, seaweedfs: StoreServer) -> None:
    """The exit code is 6, and the first failure is the document's code and message."""
    code, document = command(tmp_path, seaweedfs, "moto")
    assert (code, document["Outcome"], document["Code"]) == (6, "refused", WRONG_PROFILE)
    assert "k00/a//b" in document["Message"]
    assert document["Profiles"] == {"default": ""}
    code, text = command(tmp_path, seaweedfs, "moto", "text")
    assert code == 6
    assert "The gateway must not use this store with the profile moto.\nStart the gateway without --profile.\n" in text
    assert "ceph, garage, minio, moto, rustfs, seaweedfs, versitygw." in text


@pytest.mark.slow
def test_a_gateway_does_not_start_with_a_wrong_profile(tmp_path: Path, seaweedfs: StoreServer) -> None:
    """It says which command shows the reasons."""
    accounts = f"sqlite:///{tmp_path / 'd.db'}"
    run("account", "create", "--store", accounts)
    words = ("--backend", seaweedfs.url, "--backend-key-file", key_file(tmp_path, seaweedfs), "--profile", "moto")
    listen = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    ended = run("gateway", "--store", accounts, *listen, *words)
    assert ended.returncode == 6
    assert "Run `daypass gateway check`" in ended.stderr
