"""The comparison of two runs of ceph/s3-tests."""

from pathlib import Path

import pytest
from tests.gateway.s3_tests.compare_s3_tests import main, read_losses, report


def write(path: Path, **outcomes: str) -> str:
    """Write a result file as pytest does."""
    cases = "".join(
        f'<testcase name="{name}">{"" if outcome == "passed" else f"<{outcome}/>"}</testcase>'
        for name, outcome in outcomes.items()
    )
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return str(path)


@pytest.mark.parametrize(("outcome", "code"), [("passed", 0), ("failure", 1), ("error", 1), ("skipped", 1)])
def test_a_test_that_passes_at_the_store_must_pass_through_the_gateway(tmp_path: Path, outcome: str, code: int) -> None:
    """A test that fails or is skipped is lost; one that fails in both runs is not."""
    direct = write(tmp_path / "direct.xml", test_a="passed", test_b="failure")
    gateway = write(tmp_path / "gateway.xml", test_a=outcome, test_b="failure")
    assert main([direct, gateway]) == code


def test_a_test_that_did_not_run_is_lost(tmp_path: Path) -> None:
    """A run that ends early does not pass."""
    direct = write(tmp_path / "direct.xml", test_a="passed")
    assert main([direct, write(tmp_path / "gateway.xml")]) == 1


def test_an_allowed_loss_has_a_reason() -> None:
    """It is shown, and does not count. One that passes again is named."""
    lines, is_right = report({"test_a": "passed"}, {"test_a": "failure", "test_b": "passed"}, {"test_a": "why"})
    assert is_right
    assert "allowed: test_a: why" in lines
    assert all(read_losses().values())
