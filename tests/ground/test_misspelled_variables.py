"""A variable that is almost a setting is refused, as a setting of the file is."""

import pytest

from daypass.config import ConfigurationError, load_config
from daypass.gateway.settings import load_settings

NEAR = {
    "DAYPASS_LOGLEVEL": "DAYPASS_LOG_LEVEL",
    "DAYPASS_LOG_LEVELS": "DAYPASS_LOG_LEVEL",
    "DAYPASS_AUDITLOG": "DAYPASS_AUDIT_LOG",
    "DAYPASS_PUBLICURL": "DAYPASS_PUBLIC_URL",
    "DAYPASS_TLS_CRT": "DAYPASS_TLS_CERT",
    "DAYPASS_OIDC_ALLOWED_NETWORK": "DAYPASS_OIDC_ALLOWED_NETWORKS",
    "DAYPASS_MASTERKEY": "DAYPASS_MASTER_KEY",
    "DAYPASS_ROOT_ACCESS_KEYID": "DAYPASS_ROOT_ACCESS_KEY_ID",
}
# Variables of this program's other parts, of Kubernetes, and of other programs.
OTHER = (
    "DAYPASS_MASTER_KEY_FILE",
    "DAYPASS_ROOT_SECRET_ACCESS_KEY_FILE",
    "DAYPASS_DEBUG",
    "DAYPASS_SECRET_ALICE",
    "DAYPASS_GATEWAY_LISTEN",
    "DAYPASS_SERVICE_HOST",
    "DAYPASS_PORT_7878_TCP",
    "DAYPASS_TEST_CLIENTS",
    "DAYPASS_URL",
)


@pytest.mark.parametrize("variable", NEAR)
def test_a_misspelled_variable_is_refused_with_the_right_name(variable: str) -> None:
    """It would be ignored, and the server would run with another setting than the operator wants."""
    with pytest.raises(ConfigurationError, match=f"{variable} is not a setting. Did you mean {NEAR[variable]}"):
        load_config({}, {variable: "x"})


@pytest.mark.parametrize("variable", OTHER)
def test_a_variable_of_another_program_is_ignored(variable: str) -> None:
    """The prefix alone does not make it a setting."""
    assert load_config({}, {variable: "x"}).log_level == "info"


def test_a_misspelled_variable_of_a_gateway_is_refused_too() -> None:
    """Its settings have a prefix of their own."""
    with pytest.raises(ConfigurationError, match="DAYPASS_GATEWAY_BACKEND_KEY_FILE"):
        load_settings({}, {"DAYPASS_GATEWAY_BACKEND_KEYFILE": "x"}, None)
