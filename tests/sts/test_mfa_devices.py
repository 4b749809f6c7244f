"""The life of MFA devices through the IAM API."""

import base64
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import segno
from tests.refusals import refused
from tests.sts.authenticator import Authenticator, enrol, new_device, new_user

from daypass.operations.iam.mfa.mfa_devices import otpauth_uri
from daypass.testing.plugin import ClientFactory
from daypass.testing.server import RunningServer


def test_a_new_device_shows_its_seed_and_a_qr_code_once(client: ClientFactory) -> None:
    """The seed is base32 without padding; the picture is a PNG; lists show neither again."""
    iam = client("iam")
    made = iam.create_virtual_mfa_device(Path="/eng/", VirtualMFADeviceName="phone")["VirtualMFADevice"]
    assert made["SerialNumber"] == "arn:aws:iam::123456789012:mfa/eng/phone"
    assert len(made["Base32StringSeed"]) == 64
    assert len(base64.b32decode(made["Base32StringSeed"])) == 40
    assert made["QRCodePNG"].startswith(b"\x89PNG\r\n\x1a\n")
    listed = iam.list_virtual_mfa_devices()["VirtualMFADevices"]
    assert listed == [{"SerialNumber": made["SerialNumber"]}]


def test_the_qr_code_is_what_every_app_reads(client: ClientFactory) -> None:
    """It contains an otpauth URI with the secret, an issuer and a label that names device and account."""
    made = client("iam").create_virtual_mfa_device(VirtualMFADeviceName="a+b@c")["VirtualMFADevice"]
    seed = base64.b32decode(made["Base32StringSeed"])
    uri = otpauth_uri(seed, device="a+b@c", account="123456789012")
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Daypass:a+b@c@123456789012"
    assert parse_qs(parts.query) == {"secret": [made["Base32StringSeed"].decode()], "issuer": ["Daypass"]}
    assert made["QRCodePNG"] == _png(uri)


def _png(uri: str) -> bytes:
    text: str = segno.make(uri, error="m", micro=False).png_data_uri(scale=5)
    return base64.b64decode(text.partition(",")[2])


def test_names_are_taken_whatever_their_case(client: ClientFactory) -> None:
    """Two devices cannot have the same path and name."""
    iam = client("iam")
    iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")
    for name in ("phone", "PHONE"):
        refusal = refused(iam.create_virtual_mfa_device, VirtualMFADeviceName=name)
        assert refusal == ("EntityAlreadyExists", 409, "MFADevice entity at the same path and name already exists.")
    iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/other/")


def test_a_device_is_enabled_listed_shown_deactivated_and_deleted(
    daypass_server: RunningServer, client: ClientFactory
) -> None:
    """A device belongs to one user at a time, and can be deleted only when it is not assigned."""
    daypass_server.clock.freeze()
    iam = client("iam")
    new_user(iam, "alice")
    new_user(iam, "bob")
    app = new_device(iam, daypass_server.clock, "phone")
    enrol(iam, app, "alice")
    (listed,) = iam.list_mfa_devices(UserName="alice")["MFADevices"]
    assert (listed["UserName"], listed["SerialNumber"]) == ("alice", app.serial)
    assert iam.list_mfa_devices(UserName="bob")["MFADevices"] == []
    assert iam.get_mfa_device(SerialNumber=app.serial, UserName="alice")["UserName"] == "alice"
    assert refused(iam.get_mfa_device, SerialNumber=app.serial, UserName="bob").code == "NoSuchEntity"
    assert refused(enrol, iam, app, "bob").code == "EntityAlreadyExists"
    refusal = refused(iam.delete_virtual_mfa_device, SerialNumber=app.serial)
    assert refusal == ("DeleteConflict", 409, "MFA VirtualDevice in use. Must deactivate first.")
    assert refused(iam.deactivate_mfa_device, UserName="bob", SerialNumber=app.serial).code == "NoSuchEntity"
    iam.deactivate_mfa_device(UserName="alice", SerialNumber=app.serial)
    assert iam.list_mfa_devices(UserName="alice")["MFADevices"] == []
    iam.delete_virtual_mfa_device(SerialNumber=app.serial)
    refusal = refused(iam.delete_virtual_mfa_device, SerialNumber=app.serial)
    assert refusal == ("NoSuchEntity", 404, f"VirtualMFADevice with serial number {app.serial} doesn't exist.")


def test_the_codes_of_a_deactivated_device_open_nothing(daypass_server: RunningServer, client: ClientFactory) -> None:
    """An unassigned device verifies no caller, and its old codes cannot enrol it again."""
    daypass_server.clock.freeze()
    iam = client("iam")
    alice = new_user(iam, "alice")
    app = new_device(iam, daypass_server.clock, "phone")
    enrol(iam, app, "alice")
    iam.deactivate_mfa_device(UserName="alice", SerialNumber=app.serial)
    refusal = refused(client("sts", alice.key).get_session_token, SerialNumber=app.serial, TokenCode=app.code(1))
    assert refusal.code == "AccessDenied"
    refusal = refused(enrol, iam, app, "alice")
    assert refusal == ("InvalidAuthenticationCode", 403, "Authentication code for device is not valid.")


@pytest.mark.parametrize("steps", [(0, 0), (0, -1), (0, 2), (-130, -129), (200, 201)])
def test_only_two_consecutive_codes_of_about_now_enrol(
    daypass_server: RunningServer, client: ClientFactory, steps: tuple[int, int]
) -> None:
    """The same code twice, the reverse order, a gap or another hour is refused."""
    daypass_server.clock.freeze()
    iam = client("iam")
    new_user(iam, "alice")
    app = new_device(iam, daypass_server.clock, "phone")
    refusal = refused(
        iam.enable_mfa_device,
        UserName="alice",
        SerialNumber=app.serial,
        AuthenticationCode1=app.code(steps[0]),
        AuthenticationCode2=app.code(steps[1]),
    )
    assert refusal.code == "InvalidAuthenticationCode"
    assert iam.list_mfa_devices(UserName="alice")["MFADevices"] == []


def test_a_user_has_eight_devices_at_the_most(daypass_server: RunningServer, client: ClientFactory) -> None:
    """The ninth is refused."""
    daypass_server.clock.freeze()
    iam = client("iam")
    new_user(iam, "alice")
    for number in range(8):
        enrol(iam, new_device(iam, daypass_server.clock, f"d{number}"), "alice")
    refusal = refused(enrol, iam, new_device(iam, daypass_server.clock, "d8"), "alice")
    assert refusal == ("LimitExceeded", 409, "Cannot exceed quota for MFADevicesPerUser: 8")


def test_a_user_with_a_device_cannot_be_deleted(daypass_server: RunningServer, client: ClientFactory) -> None:
    """Its device must go first."""
    daypass_server.clock.freeze()
    iam = client("iam")
    iam.create_user(UserName="alice")
    app = new_device(iam, daypass_server.clock, "phone")
    enrol(iam, app, "alice")
    refusal = refused(iam.delete_user, UserName="alice")
    assert refusal == ("DeleteConflict", 409, "Cannot delete entity, must delete MFA device first.")
    iam.deactivate_mfa_device(UserName="alice", SerialNumber=app.serial)
    iam.delete_user(UserName="alice")


def test_virtual_devices_are_listed_by_assignment_in_pages(
    daypass_server: RunningServer, client: ClientFactory
) -> None:
    """AssignmentStatus filters, and pages neither skip nor repeat."""
    daypass_server.clock.freeze()
    iam = client("iam")
    new_user(iam, "alice")
    apps = [new_device(iam, daypass_server.clock, f"d{number}") for number in range(5)]
    for app in apps[:2]:
        enrol(iam, app, "alice")
    assert _serials(iam, "Any") == {app.serial for app in apps}
    assert _serials(iam, "Assigned") == {app.serial for app in apps[:2]}
    assert _serials(iam, "Unassigned") == {app.serial for app in apps[2:]}
    assigned = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert {device["User"]["UserName"] for device in assigned} == {"alice"}


def _serials(iam: object, status: str) -> set[str]:
    pages = iam.get_paginator("list_virtual_mfa_devices").paginate(  # type: ignore[attr-defined] # a boto3 client
        AssignmentStatus=status, PaginationConfig={"PageSize": 2}
    )
    found = [device["SerialNumber"] for page in pages for device in page["VirtualMFADevices"]]
    assert len(found) == len(set(found))
    return set(found)


def test_tags_of_a_device(client: ClientFactory) -> None:
    """Tags are set at creation, added, listed and removed."""
    iam = client("iam")
    tags = [{"Key": "team", "Value": "a"}]
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Tags=tags)["VirtualMFADevice"]
    assert made["Tags"] == tags
    iam.tag_mfa_device(SerialNumber=made["SerialNumber"], Tags=[{"Key": "Team", "Value": "b"}])
    assert iam.list_mfa_device_tags(SerialNumber=made["SerialNumber"])["Tags"] == [{"Key": "Team", "Value": "b"}]
    iam.untag_mfa_device(SerialNumber=made["SerialNumber"], TagKeys=["team"])
    assert iam.list_mfa_device_tags(SerialNumber=made["SerialNumber"])["Tags"] == []
    assert refused(iam.list_mfa_device_tags, SerialNumber=made["SerialNumber"] + "x").code == "NoSuchEntity"


def test_another_account_s_device_is_nobody_s(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A serial number of another account is as unknown as an invented one."""
    app: Authenticator = new_device(client("iam"), daypass_server.clock, "phone")
    other = client("iam", daypass_server.new_account())
    for call in (other.delete_virtual_mfa_device, other.get_mfa_device, other.list_mfa_device_tags):
        assert refused(call, SerialNumber=app.serial).code == "NoSuchEntity"


def test_a_user_without_permission_manages_nothing(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A policy must allow each action on MFA devices, for the device's or the user's ARN."""
    nobody = new_user(client("iam"), "nobody", policy=None)
    refusal = refused(client("iam", nobody.key).create_virtual_mfa_device, VirtualMFADeviceName="phone")
    assert refusal[:2] == ("AccessDenied", 403)
    assert refused(client("iam", nobody.key).list_mfa_devices).code == "AccessDenied"


def test_enrolment_takes_a_clock_that_is_minutes_off(daypass_server: RunningServer, client: ClientFactory) -> None:
    """A device whose clock is ten minutes ahead enrols, and its codes are valid afterwards."""
    daypass_server.clock.freeze()
    iam = client("iam")
    alice = new_user(iam, "alice")
    app = new_device(iam, daypass_server.clock, "phone")
    iam.enable_mfa_device(
        UserName="alice", SerialNumber=app.serial, AuthenticationCode1=app.code(20), AuthenticationCode2=app.code(21)
    )
    daypass_server.clock.move(timedelta(minutes=2))
    client("sts", alice.key).get_session_token(SerialNumber=app.serial, TokenCode=app.code(20))
