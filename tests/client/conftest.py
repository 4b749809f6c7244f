"""Fixtures: one server for a file, and a machine of their own for each test."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.client.machine import ACCOUNT, Machine, prepared, trusting
from tests.sts.authenticator import Authenticator, enrol, new_device

from daypass.testing.server import RunningServer, running_server


@pytest.fixture(scope="module")
def served() -> Iterator[RunningServer]:
    """Run one server for the tests of a file."""
    with running_server(account=ACCOUNT) as server:
        yield server


@pytest.fixture
def machine(tmp_path: Path, served: RunningServer) -> Machine:
    """Return a machine for one test."""
    return prepared(tmp_path / "home", served)


@pytest.fixture
def device(machine: Machine, served: RunningServer) -> Iterator[Authenticator]:
    """Give the machine's user an MFA device, and create a role that requires it."""
    iam = machine.iam
    authenticator = new_device(iam, served.clock, "phone")
    enrol(iam, authenticator, "ann")
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    policy = trusting(f"arn:aws:iam::{ACCOUNT}:root", Condition=condition)
    iam.create_role(RoleName="careful", AssumeRolePolicyDocument=policy)
    served.clock.move(timedelta(seconds=90))  # both codes are used up
    yield authenticator
    served.clock.move(timedelta(seconds=-90))
    iam.deactivate_mfa_device(UserName="ann", SerialNumber=authenticator.serial)
    iam.delete_virtual_mfa_device(SerialNumber=authenticator.serial)
    iam.delete_role(RoleName="careful")
