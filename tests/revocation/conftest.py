"""Two nodes with one store, and users of a customer and of its partner."""

from datetime import timedelta

import pytest
from tests.revocation.nodes import Key, Scene

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def shared() -> Scene:
    """Create two nodes once."""
    return Scene()


@pytest.fixture
def scene(shared: Scene) -> Scene:
    """Return the nodes in a second that no revocation affects."""
    shared.clock.move(MINUTE)
    shared.settle()
    return shared


@pytest.fixture
def alice(scene: Scene) -> Key:
    """Return the key of a user of the customer."""
    return scene.new_user()


@pytest.fixture
def app(scene: Scene) -> Key:
    """Return the key of a user of the partner."""
    return scene.new_user(of=scene.partner)
