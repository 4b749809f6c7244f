"""One sign-in at a server: its profiles get credentials silently, until it ends."""

import hashlib
import json
import re
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from tests.client.machine import Machine
from tests.client.sign_ins.conftest import ACCOUNT, OTHER, SignedIn
from tests.client.test_keyring import BACKEND
from tests.documents import document, trusting
from tests.sso.people.conftest import Scene

from daypass.client.problems import SignInNeededError
from daypass.client.sessions.server_sign_in import server_name
from daypass.client.sign_in.sso_api import Registration, list_roles, role_credentials
from daypass.sign_in.sessions import end_session, revoke_session
from daypass.testing.plugin import client_factory

NAMES = ["admin", "developer", "readonly"]


def profile_names(machine: SignedIn) -> list[str]:
    """Return the profiles of a machine."""
    names: list[str] = machine.good("profile", "list", "--output", "json", "--query", "[].Name").json
    return names


def test_every_role_gets_a_profile_that_works(machine: SignedIn) -> None:
    """`profile sync` writes them; the AWS CLI gets credentials without a question, and they are cached."""
    said = machine.good("profile", "sync").err
    assert profile_names(machine) == NAMES
    assert said.count("Added profile") == len(NAMES)
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "admin").json
    assert shown["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/admin/alice"
    first = machine.good("credential-process", "--profile", "developer").json["AccessKeyId"]
    assert machine.good("credential-process", "--profile", "developer").json["AccessKeyId"] == first
    assert machine.good("profile", "sync").err.count("Kept profile") == len(NAMES)


def test_profiles_for_awss_own_tools_need_no_daypass(machine: SignedIn) -> None:
    """`--sso` writes sso_session, sso_region, sso_start_url and the services section, and changes our other form."""
    machine.good("profile", "sync")
    machine.good("profile", "sync", "--sso", "--region", "eu-west-1")
    text = machine.config.read_text()
    assert "credential_process" not in text
    assert "daypass_" not in text
    (section,) = {line for line in text.splitlines() if line.startswith("sso_session = ")}
    name = section.removeprefix("sso_session = ")
    assert f"[sso-session {name}]\nsso_start_url = https://identitycenter.amazonaws.com/ssoins-" in text
    assert f"sso_account_id = {OTHER}\nsso_role_name = admin\n" in text
    for service in ("sso", "sso_oidc", "signin", "sts", "iam"):
        assert f"{service} =\n  endpoint_url = {machine.server.url}\n" in text
    before = text
    machine.good("profile", "sync", "--sso")
    assert machine.config.read_text() == before
    machine.good("profile", "sync")
    assert "sso_account_id" not in machine.config.read_text()
    assert machine.good("credential-process", "--profile", "readonly").json["Version"] == 1


@pytest.mark.slow
def test_awss_own_tools_use_the_profiles(machine: SignedIn) -> None:
    """The AWS CLI finds the server's address in the services section, and its token in its own cache."""
    machine.good("profile", "sync", "--sso")
    (name,) = re.findall(r"^\[sso-session (.*)\]$", machine.config.read_text(), re.MULTILINE)
    (start_url,) = re.findall(r"^sso_start_url = (.*)$", machine.config.read_text(), re.MULTILINE)
    file = machine.home / ".aws/sso/cache" / f"{hashlib.sha1(name.encode()).hexdigest()}.json"  # noqa: S324 - AWS's
    file.parent.mkdir(parents=True)
    end = datetime.fromtimestamp(machine.kept.access_ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    token = {"startUrl": start_url, "region": "us-east-1", "accessToken": machine.kept.access, "expiresAt": end}
    file.write_text(json.dumps(token))
    shown = machine.run("aws", "sts", "get-caller-identity", "--profile", "admin")
    assert shown.json["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/admin/alice", shown


def test_a_role_of_the_sign_in_assumes_another(machine: SignedIn) -> None:
    """Its profile is a source like any other; the session of the second role is cached."""
    assert machine.scene is not None
    iam = client_factory(machine.server)("iam")
    trust = trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:role/developer"})
    iam.create_role(RoleName="second", AssumeRolePolicyDocument=document(trust))
    machine.good("profile", "sync")
    words = ("assume", "second", "--profile", "developer", "--output", "json")
    first = machine.good(*words).json
    assert first["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/second/")
    assert machine.good(*words).json == first
    assert "assumed-role/developer/" in machine.good("whoami", "--profile", "developer").out


def test_foreign_profiles_are_never_changed(machine: SignedIn) -> None:
    """A name that is taken is not used; a profile whose role is gone is listed and stays."""
    foreign = "# mine\n[profile developer]\nregion = eu-west-1\nsso_session = other\n[profile admin]\nregion = x\n"
    taken = f"[profile admin-{OTHER}]\nregion = y\n"
    gone = (
        f"[profile old]\nregion = z\ncredential_process = x\ndaypass_method = portal\n"
        f"daypass_endpoint_url = {machine.server.url}\ndaypass_role_arn = arn:aws:iam::{ACCOUNT}:role/old\n"
    )
    machine.config.parent.mkdir()
    machine.config.write_text(foreign + taken + gone)
    said = machine.good("profile", "sync").err
    assert machine.config.read_text().startswith(foreign + taken + gone)
    assert f"Added profile developer-{ACCOUNT} " in said
    assert f"already has the name admin-{OTHER} " in said
    assert "You no longer have the role of profile old " in said
    assert f"[profile developer-{ACCOUNT}]" in machine.config.read_text()


def test_a_dry_run_writes_no_file(machine: SignedIn) -> None:
    """It shows the difference."""
    assert "+[profile admin]" in machine.good("profile", "sync", "--dry-run").out
    assert not machine.config.exists()


@pytest.mark.slow
def test_processes_that_refresh_at_once_refresh_once(machine: SignedIn, scene: Scene) -> None:
    """Eight processes have eight answers, and the sign-in is still one family."""
    machine.good("profile", "sync")
    machine.change(access_ends=0.0)
    before, events = machine.kept, len(scene.events("CreateToken"))

    def process(number: int) -> "subprocess.CompletedProcess[str]":
        words = ("daypass", "credential-process", "--profile", NAMES[number % len(NAMES)], "--fresh")
        return subprocess.run(words, env=machine.environment, capture_output=True, text=True, check=False)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(process, range(8)))
    assert [each.returncode for each in done] == [0] * 8, done
    after = machine.kept
    assert (after.id, after.refresh == before.refresh) == (before.id, False)
    assert list_roles(machine.server.url, after.access)
    assert len(scene.events("CreateToken")) == events + 1


def test_tokens_are_for_their_owner_alone(machine: SignedIn) -> None:
    """The file has mode 0600, its folder 0700, and no output shows a token."""
    (path,) = (machine.home / ".cache/daypass/sign-ins").glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = machine.kept
    for words in (("status",), ("status", "--output", "json"), ("profile", "sync")):
        done = machine.good(*words, DAYPASS_DEBUG="1")
        assert not any(secret in done.out + done.err for secret in (kept.access, kept.refresh, kept.client_secret))
    assert repr(kept) == f"ServerSignIn({kept.server})"


def test_status_shows_the_sign_in_and_its_end(machine: SignedIn) -> None:
    """A profile without a session is valid as long as the sign-in is."""
    assert machine.session is not None
    (row,) = machine.good("status", "--output", "json").json
    assert row["Arn"] == f"sign-in at {machine.server.url}"
    assert row["Expires"] == machine.session.ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    machine.good("profile", "sync")
    assert machine.daypass("status", "--check", "admin").code == 0
    assert machine.daypass("status", "--check", "admin", "--for", "9h").code == 3


def test_logout_ends_the_sign_in_at_the_server(machine: SignedIn) -> None:
    """Its tokens are void at once, and all profiles of the server are signed out."""
    machine.good("profile", "sync")
    machine.good("credential-process", "--profile", "admin")
    access = machine.kept.access
    said = machine.good("logout", "developer").err
    assert said == f"Deleted 1 cached session of developer.\nSigned out of {machine.server.url}.\n"
    with pytest.raises(SignInNeededError):
        list_roles(machine.server.url, access)
    done = machine.daypass("credential-process", "--profile", "admin")
    assert (done.code, done.out) == (3, "")
    assert "daypass login" in done.err
    assert machine.daypass("status", "--check", "admin").code == 3


@pytest.mark.parametrize("revoked", [False, True])
def test_a_sign_in_that_ended_at_the_server_ends_here(machine: SignedIn, scene: Scene, *, revoked: bool) -> None:
    """The command says how to sign in again, and the tokens are deleted."""
    machine.good("profile", "sync")
    assert machine.session is not None
    with scene.server.there.store.write() as writer:
        if revoked:
            revoke_session(writer, machine.session.id, scene.server.clock.now())
        else:
            end_session(writer, machine.session.id)
    done = machine.daypass("credential-process", "--profile", "admin")
    assert (done.code, done.out) == (3, "")
    assert f"daypass login --endpoint-url {machine.server.url}" in done.err
    assert machine.store.find(machine.server.url) is None


def test_another_person_is_not_served_the_first_ones_session(
    machine: SignedIn, scene: Scene, registration: Registration
) -> None:
    """The id of the sign-in is part of the cache key."""
    machine.good("profile", "sync")
    first = machine.good("credential-process", "--profile", "developer").json
    machine.sign_in(registration, "bob", scene.pairs)
    second = machine.good("credential-process", "--profile", "developer").json
    assert first["AccessKeyId"] != second["AccessKeyId"]


def test_profiles_of_older_logins_use_the_sign_in(machine: SignedIn) -> None:
    """A profile of `daypass login` of version 0.1.0 has the method saml, and needs no other sign-in."""
    machine.config.parent.mkdir()
    machine.config.write_text(
        f"[profile old]\nregion = us-east-1\ndaypass_method = saml\ndaypass_endpoint_url = {machine.server.url}\n"
        f"daypass_role_arn = arn:aws:iam::{OTHER}:role/team/admin\n"
    )
    keys = machine.good("credential-process", "--profile", "old").json
    assert keys["Version"] == 1
    assert "Signed out" in machine.good("logout", "old").err


@pytest.mark.parametrize(
    ("words", "code", "help_words"),
    [
        (("--policy", '{"Version":"2012-10-17","Statement":[]}'), 2, "--policy does not apply to a role of a sign-in"),
        (("--duration", "15m"), 2, "--duration does not apply to a role of a sign-in"),
    ],
)
def test_limits_that_the_server_cannot_apply_are_refused(
    machine: SignedIn, words: tuple[str, ...], code: int, help_words: str
) -> None:
    """They are not silently ignored."""
    machine.good("profile", "sync")
    done = machine.daypass("credential-process", "--profile", "admin", *words)
    assert (done.code, done.out) == (code, ""), done
    assert help_words in done.err


def test_a_role_that_is_not_yours_is_refused(machine: SignedIn) -> None:
    """Exit code 4: signing in again would not help."""
    machine.good("profile", "sync")
    text = machine.config.read_text().replace(":role/admin", ":role/other")
    machine.config.write_text(text)
    done = machine.daypass("credential-process", "--profile", "admin")
    assert (done.code, done.out) == (4, ""), done


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"server": 1}', b"\xff"])
def test_a_sign_in_file_that_cannot_be_read_is_not_there(machine: SignedIn, content: bytes) -> None:
    """The person signs in again."""
    (path,) = (machine.home / ".cache/daypass/sign-ins").glob("*.json")
    path.write_bytes(content)
    assert machine.store.find(machine.server.url) is None
    assert machine.daypass("profile", "sync").code == 3


def test_a_file_of_another_server_is_not_used(machine: SignedIn) -> None:
    """A token is sent only to the server that issued it."""
    (path,) = (machine.home / ".cache/daypass/sign-ins").glob("*.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "server": "https://other.example"}))
    assert machine.store.find(machine.server.url) is None
    assert list(machine.store.each()) == []
    assert server_name(f"{machine.server.url}/") == machine.server.url


def test_a_role_session_ends_with_the_sign_in(machine: SignedIn) -> None:
    """Credentials of a role do not outlive it."""
    assert machine.session is not None
    found = role_credentials(machine.server.url, machine.kept.access, OTHER, "admin")
    assert found.expires is not None
    assert found.expires <= machine.session.ends


@pytest.mark.slow
def test_the_keyring_holds_the_tokens(machine: SignedIn) -> None:
    """With DAYPASS_KEYRING the file contains no token."""
    (machine.home / "desktop.py").write_text(BACKEND)
    environment = {
        "DAYPASS_KEYRING": "1",
        "PYTHONPATH": str(machine.home),
        "PYTHON_KEYRING_BACKEND": "desktop.Keyring",
    }
    machine.good("profile", "sync")
    machine.change(access_ends=0.0)
    kept = machine.kept
    # Keyring chooses its backend once in a process.
    assert Machine.daypass(machine, "credential-process", "--profile", "admin", **environment).code == 0
    (path,) = (machine.home / ".cache/daypass/sign-ins").glob("*.json")
    document = json.loads(path.read_text())
    assert document["in_keyring"] is True
    assert not {"access", "refresh", "client_secret"} & set(document)
    assert kept.id == document["id"]
    assert Machine.daypass(machine, "credential-process", "--profile", "developer", **environment).code == 0
    assert Machine.daypass(machine, "logout", "--all", **environment).code == 0
    assert json.loads((machine.home / "keyring.json").read_text()) == {}
