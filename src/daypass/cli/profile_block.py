"""A root key as a person needs it: a block for ~/.aws/credentials."""

from daypass.bootstrap import RootKey


def profile_block(key: RootKey, url: str = "") -> str:
    """Return the block. `url` is where the server listens, where that is known."""
    lines = [
        "[daypass-root]",
        f"aws_access_key_id = {key.access_key_id}",
        f"aws_secret_access_key = {key.secret_access_key}",
        "region = us-east-1",
    ]
    if url:
        lines.append(f"endpoint_url = {url}")
    return "\n".join(lines)
