"""Device codes: their states, their times and their limits."""

import msgspec
import pytest
from tests.sso.scene import Scene

from daypass.errors import ExpiredTokenException, Fault, Throttling
from daypass.mint.purpose import Purpose
from daypass.mint.seal import seal
from daypass.operations.request_context import RequestContext
from daypass.sign_in import device_codes
from daypass.sign_in.device_codes import DeviceRequest

NEW = DeviceRequest(id="", client_id="client", client_name="a program", scopes=("s",), peer="2001:db8::1")
SIGN_IN = "si-" + "0" * 32


@pytest.fixture
def scene() -> Scene:
    """Return an empty store."""
    return Scene()


def poll(code: str, ctx: RequestContext, client_id: str = "client") -> str:
    """Return the sign-in of an approved request, or the code of the refusal."""
    try:
        return device_codes.redeem(code, client_id, ctx).sign_in
    except Fault as fault:
        return fault.code


def test_a_request_waits_until_its_approval_and_gives_it_once(scene: Scene) -> None:
    """A second redemption gets nothing."""
    waiting = device_codes.begin(NEW, scene.at())
    code = device_codes.device_code_of(waiting, scene.at())
    assert poll(code, scene.at()) == "AuthorizationPendingException"
    device_codes.settle(waiting, "approved", SIGN_IN, scene.at())
    assert poll(code, scene.at(), "another") == "InvalidGrantException"
    assert poll(code, scene.at()) == SIGN_IN
    assert poll(code, scene.at()) == "ExpiredTokenException"


def test_a_decision_is_made_once(scene: Scene) -> None:
    """A second click, of this person or another, changes nothing."""
    waiting = device_codes.begin(NEW, scene.at())
    device_codes.settle(waiting, "declined", SIGN_IN, scene.at())
    with pytest.raises(ExpiredTokenException):
        device_codes.settle(waiting, "approved", SIGN_IN, scene.at())
    assert poll(device_codes.device_code_of(waiting, scene.at()), scene.at()) == "AccessDeniedException"


@pytest.mark.parametrize(("seconds", "found"), [(599, "AuthorizationPendingException"), (600, "ExpiredTokenException")])
def test_a_request_waits_ten_minutes(scene: Scene, seconds: float, found: str) -> None:
    """The end itself is too late, for the program and for the person."""
    waiting = device_codes.begin(NEW, scene.at())
    code = device_codes.device_code_of(waiting, scene.at())
    ctx = scene.at(seconds)
    assert poll(code, ctx) == found
    with scene.there.store.read() as reader:
        assert (device_codes.find_by_code(reader, waiting.user_code, ctx) is None) == (seconds == 600)


def test_a_short_code_that_is_used_again_belongs_to_its_new_request(scene: Scene) -> None:
    """The old program does not collect the approval of the new one."""
    old = device_codes.begin(NEW, scene.at())
    code = device_codes.device_code_of(msgspec.structs.replace(old, id="0" * 32), scene.at())
    device_codes.settle(old, "approved", SIGN_IN, scene.at())
    assert poll(code, scene.at()) == "ExpiredTokenException"
    with pytest.raises(ExpiredTokenException):
        device_codes.get_waiting(old.user_code, "0" * 32, scene.at())


@pytest.mark.parametrize("code", ["", "x", "DPp1" + "A" * 120, "\ud800", "\0"])
def test_a_device_code_is_sealed(scene: Scene, code: str) -> None:
    """A program cannot make one up."""
    assert poll(code, scene.at()) == "InvalidGrantException"


def test_a_sealed_value_of_another_page_is_not_a_device_code(scene: Scene) -> None:
    """A seal is bound to its use."""
    waiting, ctx = device_codes.begin(NEW, scene.at()), scene.at()
    value, now = f"{waiting.user_code}.{waiting.id}".encode(), int(ctx.now.timestamp())
    sealed = seal(
        Purpose.PORTAL, value, bound_to="next page", sealing_ring=ctx.sealing_ring, now=now, entropy=ctx.entropy
    )
    assert poll(sealed, ctx) == "InvalidGrantException"


def test_a_network_has_a_limited_number_of_waiting_requests(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A /64 is one network; another one is not affected."""
    monkeypatch.setattr(device_codes, "_MOST_WAITING_A_PEER", 1)
    device_codes.begin(NEW, scene.at())
    neighbour = msgspec.structs.replace(NEW, peer="2001:db8::ffff")
    with pytest.raises(Throttling):
        device_codes.begin(neighbour, scene.at())
    device_codes.begin(msgspec.structs.replace(NEW, peer="2001:db8:0:1::1"), scene.at())
    device_codes.begin(neighbour, scene.at(601))
