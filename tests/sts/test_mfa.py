"""MFA codes in GetSessionToken and AssumeRole."""

from datetime import timedelta

import pytest
from tests.refusals import refused
from tests.sts.authenticator import Authenticator, User, enrol, loose_client, new_device, new_user

from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer

WRONG_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
NO_DEVICE = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  "
    "Please verify your MFA serial number is valid and associated with this user."
)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def alice(client: ClientFactory) -> User:
    """Return a user who may do anything."""
    return new_user(client("iam"), "alice")


@pytest.fixture
def app(daypass_server: RunningServer, client: ClientFactory, alice: User) -> Authenticator:
    """Return alice's device, enabled some minutes ago."""
    daypass_server.clock.freeze()
    app = new_device(client("iam"), daypass_server.clock, "phone")
    enrol(client("iam"), app, "alice")
    daypass_server.clock.move(5 * MINUTE)
    return app


@pytest.mark.parametrize("steps", [-2, -1, 0, 1, 2])
def test_codes_are_good_for_two_steps_either_way(
    client: ClientFactory, alice: User, app: Authenticator, steps: int
) -> None:
    """A device's clock may be off by two steps of thirty seconds."""
    client("sts", alice.key).get_session_token(SerialNumber=app.serial, TokenCode=app.code(steps))


@pytest.mark.parametrize("steps", [-3, 3])
def test_three_steps_off_is_too_far(client: ClientFactory, alice: User, app: Authenticator, steps: int) -> None:
    """Beyond two steps a code is as wrong as any other."""
    refusal = refused(client("sts", alice.key).get_session_token, SerialNumber=app.serial, TokenCode=app.code(steps))
    assert refusal == ("AccessDenied", 403, WRONG_CODE)


def test_a_code_is_good_once(client: ClientFactory, alice: User, app: Authenticator) -> None:
    """An accepted code is refused from then on; the others of the window are not."""
    sts = client("sts", alice.key)
    sts.get_session_token(SerialNumber=app.serial, TokenCode=app.code(1))
    refusal = refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.code(1))
    assert refusal == ("AccessDenied", 403, WRONG_CODE)
    sts.get_session_token(SerialNumber=app.serial, TokenCode=app.code(-1))


def test_a_code_is_used_up_although_the_call_is_refused(
    client: ClientFactory, alice: User, app: Authenticator, daypass_server: RunningServer
) -> None:
    """A code in a refused AssumeRole is used up: it is refused in every later call."""
    sts = client("sts", alice.key)
    refusal = refused(
        sts.assume_role,
        RoleArn=f"arn:aws:iam::{daypass_server.root.account}:role/none",
        RoleSessionName="s1",
        SerialNumber=app.serial,
        TokenCode=app.code(),
    )
    assert refusal.code == "AccessDenied"
    refusal = refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.code())
    assert refusal == ("AccessDenied", 403, WRONG_CODE)


def test_the_codes_that_enrolled_are_used_up(daypass_server: RunningServer, client: ClientFactory, alice: User) -> None:
    """Others may have seen both codes of EnableMFADevice: they are refused afterwards."""
    daypass_server.clock.freeze()
    app = new_device(client("iam"), daypass_server.clock, "phone")
    enrol(client("iam"), app, "alice")
    for steps in (-1, 0):
        refusal = refused(
            client("sts", alice.key).get_session_token, SerialNumber=app.serial, TokenCode=app.code(steps)
        )
        assert refusal == ("AccessDenied", 403, WRONG_CODE)


def test_foreign_unknown_and_unassigned_devices_are_refused_alike(
    client: ClientFactory, alice: User, app: Authenticator, daypass_server: RunningServer
) -> None:
    """A caller cannot learn whether a serial number exists."""
    new_user(client("iam"), "bob")
    idle = new_device(client("iam"), daypass_server.clock, "idle")
    bob = client("sts", client("iam").create_access_key(UserName="bob")["AccessKey"])
    for serial in (app.serial, app.serial + "x", app.serial.upper(), idle.serial, "GAHT12345678"):
        refusal = refused(bob.get_session_token, SerialNumber=serial, TokenCode=app.code())
        assert refusal == ("AccessDenied", 403, NO_DEVICE)
    client("sts", alice.key).get_session_token(SerialNumber=app.serial, TokenCode=app.code())


def test_serial_and_code_go_together(client: ClientFactory, alice: User, app: Authenticator) -> None:
    """One without the other is refused."""
    sts = client("sts", alice.key)
    for half in ({"SerialNumber": app.serial}, {"TokenCode": app.code()}):
        assert refused(sts.get_session_token, **half).code == "ValidationError"


@pytest.mark.parametrize("code", ["12345", "1234567", "12345a", "\u0661\u0662\u0663\u0664\u0665\u0666"])
def test_codes_of_another_form_are_refused(
    daypass_server: RunningServer, alice: User, app: Authenticator, code: str
) -> None:
    """A code is six ASCII digits."""
    refusal = refused(
        loose_client(daypass_server, alice.key).get_session_token, SerialNumber=app.serial, TokenCode=code
    )
    assert refusal[:2] == ("ValidationError", 400)


def test_the_ninth_failure_in_a_row_locks(
    client: ClientFactory, alice: User, app: Authenticator, daypass_server: RunningServer
) -> None:
    """Nine wrong codes lock that device forever; another device of the user still works."""
    iam, sts = client("iam"), client("sts", alice.key)
    other = new_device(iam, daypass_server.clock, "tablet")
    enrol(iam, other, "alice")
    daypass_server.clock.move(5 * MINUTE)
    for _ in range(9):
        refusal = refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.wrong())
        assert refusal == ("AccessDenied", 403, WRONG_CODE)
    daypass_server.clock.move(3 * MINUTE)
    refusal = refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.code())
    assert refusal == ("AccessDenied", 403, NO_DEVICE)
    sts.get_session_token(SerialNumber=other.serial, TokenCode=other.code())


def test_an_accepted_code_forgives_the_failures(client: ClientFactory, alice: User, app: Authenticator) -> None:
    """Only failures in a row count."""
    sts = client("sts", alice.key)
    for steps in (0, 1):
        for _ in range(8):
            refusal = refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.wrong())
            assert refusal == ("AccessDenied", 403, WRONG_CODE)
        sts.get_session_token(SerialNumber=app.serial, TokenCode=app.code(steps))


def test_resync_opens_a_locked_device(
    client: ClientFactory, alice: User, app: Authenticator, daypass_server: RunningServer
) -> None:
    """Two consecutive codes verify the device again."""
    iam, sts = client("iam"), client("sts", alice.key)
    for _ in range(9):
        assert refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.wrong()).code == "AccessDenied"
    refusal = refused(
        iam.resync_mfa_device,
        UserName="alice",
        SerialNumber=app.serial,
        AuthenticationCode1=app.code(),
        AuthenticationCode2=app.code(),
    )
    assert refusal.code == "InvalidAuthenticationCode"
    iam.resync_mfa_device(
        UserName="alice", SerialNumber=app.serial, AuthenticationCode1=app.code(-1), AuthenticationCode2=app.code()
    )
    daypass_server.clock.move(5 * MINUTE)
    sts.get_session_token(SerialNumber=app.serial, TokenCode=app.code())


def test_a_device_whose_clock_is_off_is_resynchronized(
    client: ClientFactory, alice: User, app: Authenticator, daypass_server: RunningServer
) -> None:
    """Resync stores the drift of the clock; its codes are valid from then on, and those of the right time are not."""
    client("iam").resync_mfa_device(
        UserName="alice", SerialNumber=app.serial, AuthenticationCode1=app.code(20), AuthenticationCode2=app.code(21)
    )
    daypass_server.clock.move(5 * MINUTE)
    sts = client("sts", alice.key)
    sts.get_session_token(SerialNumber=app.serial, TokenCode=app.code(21))
    refusal = refused(sts.get_session_token, SerialNumber=app.serial, TokenCode=app.code())
    assert refusal == ("AccessDenied", 403, WRONG_CODE)


def test_a_root_user_has_devices_too(daypass_server: RunningServer, client: ClientFactory) -> None:
    """The root user enables its device under the name `root`, and uses it for a session."""
    daypass_server.clock.freeze()
    app = new_device(client("iam"), daypass_server.clock, "root-phone")
    enrol(client("iam"), app, "root")
    daypass_server.clock.move(MINUTE)
    session = client("sts").get_session_token(SerialNumber=app.serial, TokenCode=app.code(1))["Credentials"]
    assert client("iam", session).list_mfa_devices()["MFADevices"][0]["SerialNumber"] == app.serial
    shown = client("iam").list_virtual_mfa_devices()["VirtualMFADevices"][0]
    assert shown["User"]["Arn"] == f"arn:aws:iam::{daypass_server.root.account}:root"
