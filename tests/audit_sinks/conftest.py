"""Certificates for the receivers."""

from pathlib import Path

import pytest
from tests.audit_sinks.receivers import Certificates

from daypass.testing.certificates import shared_authority


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Return the certificates of a test."""
    return Certificates(shared_authority(), tmp_path)
