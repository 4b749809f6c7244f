"""A root key as a person needs it: a block for ~/.aws/credentials.

The blocks of two accounts have different names: no AWS tool reads a file in which one name stands twice.
"""

from daypass.bootstrap import RootKey

FIRST = "daypass-root"


def profile_block(key: RootKey, url: str = "", *, name: str = "") -> str:
    """Return the block. `url` is where the server listens, where that is known."""
    lines = [
        f"[{name or f'{FIRST}-{key.account}'}]",
        f"aws_access_key_id = {key.access_key_id}",
        f"aws_secret_access_key = {key.secret_access_key}",
        "region = us-east-1",
    ]
    if url:
        lines.append(f"endpoint_url = {url}")
    return "\n".join(lines)
