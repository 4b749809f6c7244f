"""The environment of a program that shall use certain credentials and no others.

Pure. Owns the table of what is cleared: everything by which another set of credentials could win or be mixed in.
Source: AWS SDKs and Tools Reference Guide, "Environment variables support".
"""

from collections.abc import Mapping

from daypass.client.credentials import Credentials, environment_form

CLEARED = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SSO_ACCOUNT_ID",
    "AWS_SSO_ROLE_NAME",
    "AWS_VAULT",
    "DAYPASS_SESSION",
)


def variables(credentials: Credentials, *, endpoint_url: str, region: str, name: str) -> dict[str, str]:
    """Return what is set: the keys, the region, the server where it is not AWS's, and a name for shell prompts."""
    return {**environment_form(credentials), **place(endpoint_url=endpoint_url, region=region, name=name)}


def place(*, endpoint_url: str, region: str, name: str) -> dict[str, str]:
    """Return what is set beside the keys."""
    found = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "DAYPASS_SESSION": name}
    if endpoint_url:
        # Only these two: S3 and the rest may well be elsewhere, and what the person set for them stays.
        found |= {"AWS_ENDPOINT_URL_STS": endpoint_url, "AWS_ENDPOINT_URL_IAM": endpoint_url}
    return {key: value for key, value in found.items() if value}


def surroundings(inherited: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of such a program."""
    return {name: value for name, value in inherited.items() if name not in CLEARED} | dict(added)
