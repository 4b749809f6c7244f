"""Every fuzz target accepts its seeds: inputs that reach far, and former failures."""

from pathlib import Path

import pytest
from tests.fuzz.run import load_target, seed_folder, target_names

SEEDS = [(name, path) for name in target_names() for path in sorted(seed_folder(name).iterdir())]


@pytest.mark.parametrize(("name", "path"), SEEDS, ids=[f"{name}-{path.name}" for name, path in SEEDS])
def test_a_seed_passes(name: str, path: Path) -> None:
    """The target's own assertions hold, and only refusals are raised."""
    load_target(name)(path.read_bytes())


@pytest.mark.parametrize("name", target_names())
@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 64, bytes(range(256))], ids=["none", "zero", "ones", "all"])
def test_plain_bytes_pass(name: str, data: bytes) -> None:
    """Bytes that do not resemble any seed pass too."""
    load_target(name)(data)
