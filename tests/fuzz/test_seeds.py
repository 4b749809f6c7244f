"""Every fuzz target accepts its seeds: inputs that reach far, and inputs that failed once."""

from pathlib import Path

import pytest
from tests.fuzz.run import load_target, seed_folder, target_names

SEEDS = [(name, path) for name in target_names() for path in sorted(seed_folder(name).iterdir())]


@pytest.mark.parametrize(("name", "path"), SEEDS, ids=[f"{name}-{path.name}" for name, path in SEEDS])
def test_a_seed_passes(name: str, path: Path) -> None:
    """The target's own assertions hold, and no exception but a refusal leaves the code."""
    load_target(name)(path.read_bytes())


@pytest.mark.parametrize("name", target_names())
@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 64, bytes(range(256))], ids=["none", "zero", "ones", "all"])
def test_plain_bytes_pass(name: str, data: bytes) -> None:
    """Also those that no seed looks like."""
    load_target(name)(data)
