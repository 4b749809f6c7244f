"""Build the environment of a program.

Pure. Owns the table of removed variables: all that could select other credentials or mix with the given ones.
child_files.py owns the files that a program gets instead of the person's.
Source: AWS SDKs and Tools Reference Guide, "Environment variables support".
"""

from collections.abc import Iterable, Mapping

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
    "AWS_CREDENTIAL_FILE",
    "AWS_CREDENTIAL_PROFILES_FILE",
    "AWS_DELEGATION_TOKEN",
    "AWS_ACCOUNT_ID",
    "AWS_SESSION_EXPIRATION",
    "AWS_SSO_ACCOUNT_ID",
    "AWS_SSO_ROLE_NAME",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_VAULT",
    "BOTO_PATH",
    "DAYPASS_SESSION",
    "DAYPASS_RUNNING_PROFILES",
    "DAYPASS_RUNNING_COMMANDS",
)
# A new service gets a variable of its own for its bearer token, so the name alone is not in the table.
_CLEARED_PREFIXES = ("AWS_BEARER_TOKEN_", "AWS_SSO_")
_IGNORE_ENDPOINTS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


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


def cleared(inherited: Iterable[str], added: Mapping[str, str]) -> list[str]:
    """Return the inherited variables that a program must not have."""
    # The given session would go to AWS if the program ignored the endpoint that comes with it.
    ignoring = {_IGNORE_ENDPOINTS} if "AWS_ENDPOINT_URL_STS" in added else set()
    return [
        name
        for name in inherited
        if name not in added and (name in CLEARED or name in ignoring or name.startswith(_CLEARED_PREFIXES))
    ]


def surroundings(inherited: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the program.

    A machine's metadata service has the credentials of the machine, so it is switched off.
    """
    gone = frozenset(cleared(inherited, added))
    kept = {name: value for name, value in inherited.items() if name not in gone}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", **added}
