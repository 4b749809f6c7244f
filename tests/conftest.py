"""Fixtures for every test: Daypass's own plugin, and a clean environment.

The tests do not see the developer's AWS settings.
"""

import gc
import os
from collections.abc import Iterator

import pytest

pytest_plugins = [
    "daypass.testing.plugin",
    "tests.components",
    "tests.gateway.transfers.data_path_fixtures",
    "tests.gateway.stores",
    "tests.gateway.radosgw",  # imports the one before
    "tests.servers",
]

for _name in [name for name in os.environ if name.startswith(("AWS_", "DAYPASS_ROOT_"))]:
    del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

gc.disable()  # until the end of the collection


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect tests without looking for garbage.

    Modules and tests stay until the end. No later search passes through them.
    """
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
