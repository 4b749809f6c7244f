"""A root key as a profile for ~/.aws/credentials.

Profiles of two accounts differ in name, since AWS tools reject duplicates.
"""

from daypass.bootstrap import RootKey

FIRST = "daypass-root"


def profile_block(key: RootKey, url: str = "", *, name: str = "") -> str:
    """Return the profile. `url` is the server's URL if it is known."""
    lines = [
        f"[{name or f'{FIRST}-{key.account}'}]",
        f"aws_access_key_id = {key.access_key_id}",
        f"aws_secret_access_key = {key.secret_access_key}",
        "region = us-east-1",
    ]
    if url:
        lines.append(f"endpoint_url = {url}")
    return "\n".join(lines)
