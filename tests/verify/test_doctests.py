"""The examples in the docstrings of daypass.verify are run."""

import doctest
import importlib

import pytest

_MODULES = ("asgi", "body_check", "caller", "decision", "head", "keys", "request", "services.routes", "wsgi")


@pytest.mark.parametrize("name", _MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    """A public function carries an example that works when it is pasted."""
    module = importlib.import_module(f"daypass.verify.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
