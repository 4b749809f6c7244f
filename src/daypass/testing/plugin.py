"""The fixtures of version 0.1.0, as a plugin that a project names.

A project names it with `pytest_plugins = ["daypass.testing.plugin"]`.
Owns the fixture `client`, whose name is also that of other plugins. pytest loads the other fixtures by itself, from
pytest_plugin.py, unless its entry points are switched off.
"""

try:
    import pytest

    from daypass.testing.client_factory import ClientFactory, client_factory
    from daypass.testing.pytest_plugin import (
        daypass_aws_env,
        daypass_client,
        daypass_clock,
        daypass_config,
        daypass_oidc_issuer,
        daypass_saml_idp,
        daypass_server,
    )
    from daypass.testing.server import RunningServer
except ModuleNotFoundError as error:
    raise ImportError(
        f"daypass.testing needs {error.name}, which is not installed: pip install 'daypass[testing]'"
    ) from error

__all__ = [
    "ClientFactory",
    "client",
    "client_factory",
    "daypass_aws_env",
    "daypass_client",
    "daypass_clock",
    "daypass_config",
    "daypass_oidc_issuer",
    "daypass_saml_idp",
    "daypass_server",
]


@pytest.fixture
def client(daypass_server: RunningServer) -> ClientFactory:
    """Return the factory of boto3 clients for the test's server.

    A test takes it as an argument:

        def test_account(client):
            assert client("sts").get_caller_identity()["Account"] == "123456789012"
    """
    return client_factory(daypass_server)
