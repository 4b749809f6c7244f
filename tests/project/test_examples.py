"""The examples in docstrings of daypass.testing run with the printed results."""

import doctest
import importlib
import inspect

import pytest

MODULES = (
    "aws_environment",
    "boto3_clock",
    "certificates",
    "client_factory",
    "clock",
    "oidc",
    "oidc_sign_in",
    "plugin",
    "saml",
    "saml_forge",
    "saml_idp",
    "server",
    "settings",
    "tokens",
)
# Methods and plain values are shown in the example of their class; fixtures only work inside pytest.
_WITHOUT = {
    "Answer",
    "Encryption",
    "Flaw",
    "KeyPair",
    "Signing",
    "Recorder",
    "RunningServer",
    "ClientFactory",
    "SamlPage",
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name: str) -> None:
    """Each public function, and each class with behaviour, has an example that runs."""
    module = importlib.import_module(f"daypass.testing.{name}")
    for key, value in vars(module).items():
        if key.startswith("_") or key in _WITHOUT or getattr(value, "__module__", "") != module.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            assert ">>>" in (value.__doc__ or ""), f"{key} has no example"
    assert doctest.testmod(module).failed == 0
