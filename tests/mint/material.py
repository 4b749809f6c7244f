"""Shared values of the mint tests: entropy, an hour, a full session."""

from daypass.mint.secret import Secret
from daypass.mint.session import Session, SessionKind

NOW = 1_773_500_966
ACCOUNT = "029608264753"
ACCESS_KEY_ID = "ASIAQNZGKIQY56JQ7WML"


class Counted:
    """Entropy that never repeats and always comes in the same order."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, count: int, /) -> bytes:
        """Return the next number as `count` bytes."""
        self._count += 1
        return (self._count * 0x9E3779B97F4A7C15 % 2**40).to_bytes(5)[-count:].rjust(count, b"\x5a")


def role_session(access_key_id: str = ACCESS_KEY_ID, *, issued: int = NOW, lifetime: int = 3600) -> Session:
    """Return a role session that uses every field."""
    return Session(
        kind=SessionKind.ROLE,
        account=ACCOUNT,
        principal_id="AROAQNZGKIQYABCDEFGHI",
        principal_name="deploy",
        session_name="build-17",
        access_key_id=access_key_id,
        secret=Secret("s" * 40),
        issued=issued,
        expires=issued + lifetime,
        issuing_key="AKIAQNZGKIQY56JQ7WML",
        policy='{"Version":"2012-10-17","Statement":[]}',
        policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
        tags={"team": "größe", "cost": "17"},
        transitive_tag_keys=("team",),
        source_identity="ada",
        mfa_time=issued - 60,
        provider="arn:aws:iam::029608264753:oidc-provider/id.example.org",
        context={"id.example.org:aud": ("one", "two")},
        chained=True,
        root_task_policy="",
    )
