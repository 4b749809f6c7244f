"""Fixtures of pytest: a server, its clock, providers, and variables.

pytest loads this module by the entry point `daypass` in every project that has Daypass installed. So it imports only
pytest, and a fixture imports the server when a test uses it. Each fixture exists for one test, and with the suffix
`_session` once for all tests of a run.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from daypass.testing.client_factory import ClientFactory
    from daypass.testing.clock import MovableClock
    from daypass.testing.oidc import OidcIssuer
    from daypass.testing.saml_idp import SamlIdp
    from daypass.testing.server import RunningServer


@pytest.fixture(scope="session")
def daypass_config() -> Mapping[str, Any]:
    """Return the settings of the servers, as texts; a project overrides it.

    A `conftest.py` may say:

        @pytest.fixture(scope="session")
        def daypass_config():
            return {"organization_name": "Acme"}
    """
    return {}


@contextmanager
def _clock() -> "Iterator[MovableClock]":
    from daypass.testing.boto3_clock import boto3_follows
    from daypass.testing.clock import MovableClock

    clock = MovableClock()
    with boto3_follows(clock):
        yield clock


@contextmanager
def _server(config: Mapping[str, Any], clock: "MovableClock") -> "Iterator[RunningServer]":
    from daypass.testing.server import running_server

    with running_server(config=config, clock=clock) as server:
        yield server


@contextmanager
def _saml_idp(server: "RunningServer") -> "Iterator[SamlIdp]":
    from daypass.testing.saml_idp import SamlIdp

    with SamlIdp(f"{server.url}/saml", now=server.clock.now) as idp:
        yield idp


@contextmanager
def _oidc_issuer(clock: "MovableClock") -> "Iterator[OidcIssuer]":
    from daypass.testing.oidc import OidcIssuer

    with OidcIssuer(now=lambda: clock.now().timestamp()) as issuer:
        yield issuer


@contextmanager
def _aws_env(server: "RunningServer", folder: "Path") -> Iterator[Mapping[str, str]]:
    from daypass.testing.aws_environment import aws_environment

    with aws_environment(server, folder) as variables:
        yield variables


@pytest.fixture
def daypass_clock() -> "Iterator[MovableClock]":
    """Return the clock of `daypass_server`, which a test moves or stops.

    Sessions, tokens and assertions expire by it, and the credentials of boto3 refresh by it.
    """
    with _clock() as clock:
        yield clock


@pytest.fixture
def daypass_server(daypass_config: Mapping[str, Any], daypass_clock: "MovableClock") -> "Iterator[RunningServer]":
    """Run a server with a memory store and one account, for one test."""
    with _server(daypass_config, daypass_clock) as server:
        yield server


@pytest.fixture
def daypass_client(daypass_server: "RunningServer") -> "ClientFactory":
    """Return the factory of boto3 clients for `daypass_server`."""
    from daypass.testing.client_factory import client_factory

    return client_factory(daypass_server)


@pytest.fixture
def daypass_saml_idp(daypass_server: "RunningServer") -> "Iterator[SamlIdp]":
    """Run a SAML provider with a sign-in page, for one test."""
    with _saml_idp(daypass_server) as idp:
        yield idp


@pytest.fixture
def daypass_oidc_issuer(daypass_clock: "MovableClock") -> "Iterator[OidcIssuer]":
    """Run an OpenID Connect issuer that `daypass_server` can reach."""
    with _oidc_issuer(daypass_clock) as issuer:
        yield issuer


@pytest.fixture
def daypass_aws_env(daypass_server: "RunningServer", tmp_path: "Path") -> Iterator[Mapping[str, str]]:
    """Point the AWS variables of the process at `daypass_server`.

    The value is the mapping. The test and its child processes see no other credentials, files or endpoints.
    """
    with _aws_env(daypass_server, tmp_path) as variables:
        yield variables


@pytest.fixture(scope="session")
def daypass_clock_session() -> "Iterator[MovableClock]":
    """Return the clock of `daypass_server_session`."""
    with _clock() as clock:
        yield clock


@pytest.fixture(scope="session")
def daypass_server_session(
    daypass_config: Mapping[str, Any], daypass_clock_session: "MovableClock"
) -> "Iterator[RunningServer]":
    """Run a server for all tests; `new_account` gives each its own account."""
    with _server(daypass_config, daypass_clock_session) as server:
        yield server


@pytest.fixture(scope="session")
def daypass_client_session(daypass_server_session: "RunningServer") -> "ClientFactory":
    """Return the factory of boto3 clients for `daypass_server_session`."""
    from daypass.testing.client_factory import client_factory

    return client_factory(daypass_server_session)


@pytest.fixture(scope="session")
def daypass_saml_idp_session(daypass_server_session: "RunningServer") -> "Iterator[SamlIdp]":
    """Run a SAML provider with a sign-in page, for all tests."""
    with _saml_idp(daypass_server_session) as idp:
        yield idp


@pytest.fixture(scope="session")
def daypass_oidc_issuer_session(daypass_clock_session: "MovableClock") -> "Iterator[OidcIssuer]":
    """Run an OpenID Connect issuer for all tests."""
    with _oidc_issuer(daypass_clock_session) as issuer:
        yield issuer


@pytest.fixture(scope="session")
def daypass_aws_env_session(
    daypass_server_session: "RunningServer", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """Point the AWS variables of this process at `daypass_server_session`."""
    with _aws_env(daypass_server_session, tmp_path_factory.mktemp("aws")) as variables:
        yield variables
