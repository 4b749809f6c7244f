"""A root key as a profile in two parts.

One is for ~/.aws/credentials. The other is for ~/.aws/config and sends STS, IAM and S3 to their own addresses, which
only a services section can do: `endpoint_url` in the profile would send every service of AWS to the server. Profiles of
two accounts differ in the names of both parts, since AWS tools reject duplicates.
"""

from daypass.bootstrap import RootKey

FIRST = "daypass-root"


def profile_block(key: RootKey, *, name: str = "") -> str:
    """Return the part for ~/.aws/credentials."""
    lines = [
        f"[{name or _name(key)}]",
        f"aws_access_key_id = {key.access_key_id}",
        f"aws_secret_access_key = {key.secret_access_key}",
        "region = us-east-1",
    ]
    return "\n".join(lines)


def endpoints_block(key: RootKey, url: str, s3_url: str, *, name: str = "") -> str:
    """Return the part for ~/.aws/config.

    `s3_url` is the URL of the S3 gateway, or empty.
    """
    name = name or _name(key)
    lines = [f"[profile {name}]", f"services = {name}", "s3 =", "  signature_version = s3v4", "", f"[services {name}]"]
    for service, address in (("sts", url), ("iam", url), ("s3", s3_url)):
        if address:
            lines += [f"{service} =", f"  endpoint_url = {address}"]
    return "\n".join(lines)


def _name(key: RootKey) -> str:
    return f"{FIRST}-{key.account}"
