"""Build the environment of a program.

Pure. Owns the table of removed variables: all that could select other credentials or mix with the given ones.
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


def variables(credentials: Credentials, *, endpoint_url: str, s3_url: str, region: str, name: str) -> dict[str, str]:
    """Return the variables for the keys, the region and the session's name.

    They include an endpoint that is not AWS's.
    """
    found = place(endpoint_url=endpoint_url, s3_url=s3_url, region=region, name=name)
    return {**environment_form(credentials), **found}


def place(*, endpoint_url: str, s3_url: str, region: str, name: str) -> dict[str, str]:
    """Return the variables other than the keys.

    `s3_url` is the server's S3 gateway, or empty.
    """
    found = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "DAYPASS_SESSION": name}
    if endpoint_url:
        # The user's settings for other services stay.
        found |= {"AWS_ENDPOINT_URL_STS": endpoint_url, "AWS_ENDPOINT_URL_IAM": endpoint_url}
        found |= {"AWS_ENDPOINT_URL_S3": s3_url}
    return {key: value for key, value in found.items() if value}


def surroundings(inherited: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the program."""
    return {name: value for name, value in inherited.items() if name not in CLEARED} | dict(added)
