"""Anonymous registration: its limits, its secrets and its redirect URIs."""

import msgspec
import pytest
from tests.sso.scene import NOW, Scene

from daypass.directory import records
from daypass.directory.entities.sso_client_entities import SsoClient
from daypass.sign_in import clients
from daypass.sign_in.clients import find_client, is_loopback_uri, is_registered_uri, mark_used, register, verify_client
from daypass.wire.rest_faults import InvalidClientException, InvalidClientMetadataException, SlowDownException

DAY = 86_400
NEW = SsoClient(
    id="",
    network="",
    registered=NOW,
    expires=NOW,
    secret_hash=b"",
    name="a program",
    grant_types=("authorization_code",),
    redirect_uris=("http://127.0.0.1/oauth/callback",),
    scopes=("sso:account:access",),
)


def _names(scene: Scene) -> list[str]:
    with scene.there.store.read() as reader:
        return sorted(each.name for each in records.each(reader, SsoClient, ""))


def _register(scene: Scene, name: str, peer: str, at: float = 0) -> SsoClient:
    return register(msgspec.structs.replace(NEW, name=name), peer, scene.at(at))[0]


def test_the_secret_is_needed_and_stored_hashed(scene: Scene) -> None:
    """A stolen database has no secrets of clients."""
    client, secret = register(NEW, "192.0.2.1", scene.at())
    assert verify_client(client.id, secret, scene.at()).name == "a program"
    assert secret.encode() not in records.to_record(client).body
    for wrong in (
        (client.id, secret + "x"),
        (client.id, ""),
        ("x", secret),
        ("", ""),
        ("x" * 2_000, secret),
        ("\0", ""),
    ):
        with pytest.raises(InvalidClientException):
            verify_client(*wrong, scene.at())


def test_a_registration_ends_after_90_days(scene: Scene) -> None:
    """The end itself is not valid any more."""
    client, secret = register(NEW, "192.0.2.1", scene.at())
    assert verify_client(client.id, secret, scene.at(90 * DAY - 1)) == client
    with pytest.raises(InvalidClientException):
        verify_client(client.id, secret, scene.at(90 * DAY))


def test_a_network_registers_20_an_hour(scene: Scene) -> None:
    """One /64 is one network. Another network is not affected."""
    for number in range(20):
        _register(scene, f"n{number}", f"2001:db8::{number + 1:x}")
    with pytest.raises(SlowDownException):
        _register(scene, "late", "2001:db8::ffff")
    _register(scene, "neighbour", "2001:db8:0:1::1")
    with pytest.raises(SlowDownException):
        _register(scene, "late", "2001:db8::ffff", at=3_599)
    _register(scene, "next hour", "2001:db8::ffff", at=3_601)
    assert len(_names(scene)) == 22


def test_a_full_server_replaces_the_oldest_unused_registration_of_the_same_network(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network never replaces the registrations of another, nor used ones."""
    monkeypatch.setattr(clients, "MOST_CLIENTS", 4)
    used = _register(scene, "used", "192.0.2.1")
    mark_used(used, scene.at())
    _register(scene, "older", "192.0.2.1", at=1)
    _register(scene, "newer", "192.0.2.1", at=2)
    _register(scene, "other", "192.0.2.2", at=0)
    _register(scene, "fifth", "192.0.2.1", at=3)
    assert _names(scene) == ["fifth", "newer", "other", "used"]
    with pytest.raises(SlowDownException):
        _register(scene, "third network", "192.0.2.3", at=4)
    assert _names(scene) == ["fifth", "newer", "other", "used"]


def test_a_full_server_forgets_registrations_that_were_not_used_for_a_day(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a few networks could close the server to all others for 90 days."""
    monkeypatch.setattr(clients, "MOST_CLIENTS", 3)
    mark_used(_register(scene, "used", "192.0.2.1"), scene.at())
    _register(scene, "abandoned", "192.0.2.1")
    _register(scene, "fresh", "192.0.2.1", at=2)
    with pytest.raises(SlowDownException):
        _register(scene, "other", "192.0.2.2", at=DAY - 1)
    _register(scene, "other", "192.0.2.2", at=DAY)
    assert _names(scene) == ["fresh", "other", "used"]


def test_a_registration_has_at_most_4_kib(scene: Scene) -> None:
    """The limit is that of the stored record."""
    least = len(records.to_record(_register(scene, "", "192.0.2.1")).body)
    _register(scene, "x" * (4_096 - least), "192.0.2.1")
    with pytest.raises(InvalidClientMetadataException):
        _register(scene, "x" * (4_097 - least), "192.0.2.1")


def test_a_mark_of_use_does_not_bring_back_a_registration(scene: Scene) -> None:
    """It may have been replaced in the meantime."""
    client = _register(scene, "gone", "192.0.2.1")
    with scene.there.store.write() as writer:
        records.delete(writer, client)
    mark_used(client, scene.at())
    assert find_client(client.id, scene.at()) is None


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/oauth/callback",
        "http://127.0.0.1:1/oauth/callback",
        "http://127.0.0.1:65535/oauth/callback",
        "http://[::1]:8080/",
        "http://127.0.0.1",
    ],
)
def test_loopback_uris(uri: str) -> None:
    """RFC 8252 section 7.3: literal loopback addresses at any port."""
    assert is_loopback_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://localhost/oauth/callback",
        "https://127.0.0.1/oauth/callback",
        "http://127.0.0.2/oauth/callback",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://evil.example/127.0.0.1",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://127.0.0.1:080/",
        "http://127.0.0.1:8080:1/",
        "http://127.0.0.1/a?b=c",
        "http://127.0.0.1/a#b",
        "http://127.0.0.1/a\n",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a;script-src *",
        "http://127.0.0.1\\evil.example/",
        "http://127.1/",
        "http://2130706433/",
        "http://0/",
        "http://[::ffff:127.0.0.1]/",
        "HTTP://127.0.0.1/",
        "javascript:alert(1)",
        "urn:ietf:wg:oauth:2.0:oob",
    ],
)
def test_other_redirect_uris_are_refused(uri: str) -> None:
    """A code is never sent to another machine, by no spelling."""
    assert not is_loopback_uri(uri)


@pytest.mark.parametrize(
    ("uri", "registered"),
    [
        ("http://127.0.0.1/oauth/callback", True),
        ("http://127.0.0.1:50123/oauth/callback", True),
        ("http://127.0.0.1:50123/oauth/callback/", False),
        ("http://127.0.0.1:50123/other", False),
        ("http://127.0.0.1:50123/oauth/Callback", False),
        ("http://[::1]:50123/oauth/callback", False),
        ("http://127.0.0.1:50123/oauth/callback?x=1", False),
        ("https://sts.example.com/oauth/callback", False),
        ("", False),
    ],
)
def test_a_redirect_uri_is_compared_without_its_port(uri: str, *, registered: bool) -> None:
    """All other parts are compared exactly."""
    assert is_registered_uri(uri, NEW) is registered
