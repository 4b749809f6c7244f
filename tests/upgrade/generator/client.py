"""Fill a home directory with the old commands: profiles of every kind, and cached sessions.

Owns the command lines. The ends of the cached sessions are moved far ahead, so that tests need not: the tokens in them
end as before.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.upgrade.generator.directory import Scene
from tests.upgrade.generator.identity import CI_KEY, ISSUER, SECRETS, iam_arn

import daypass
from daypass.client.sessions.cache import CredentialCache

_DAYPASS = "from daypass.cli.main import main; main()"
_ANOTHER = datetime(2099, 1, 1, tzinfo=UTC)


class Home:
    """A home directory, and the old command in it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        folder.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DAYPASS_", "XDG_"))}
        self._environment = {**kept, "HOME": str(folder), "PYTHONPATH": str(Path(daypass.__file__).parents[1])}

    def daypass(self, *words: str, stdin: str = "") -> str:
        """Run the command, which must succeed."""
        done = subprocess.run(
            [sys.executable, "-c", _DAYPASS, *words],
            env=self._environment,
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{words}: {done.stderr}")
        return done.stdout


def fill_home(scene: Scene, folder: Path) -> dict[str, Any]:
    """Write profiles and cache sessions.

    Return the credential process output of each profile.
    """
    home = Home(folder, scene.server.url)
    token = scene.keys.token(scene.server.clock.now())
    (folder / "token.jwt").write_text(token)
    at = ("--endpoint-url", home.url, "--region", "eu-west-1")
    keys = ("profile", "add", "ci", "--access-key-id", CI_KEY, "--no-input", *at)
    home.daypass(*keys, stdin=SECRETS["CI_SECRET"] + "\n")
    role, second, source = iam_arn("role", "ops/deploy"), iam_arn("role", "second"), ("--source-profile", "ci")
    pipeline, people = iam_arn("role", "pipeline"), iam_arn("role", "people")
    limits = ("--session-name", "monday", "--duration", "2h", "--source-identity", "alice", "--tag", "team=blue")
    home.daypass("profile", "add", "deploy", "--role", role, *source, *limits)
    home.daypass("profile", "add", "chain", "--role", role, "--role", second, *source, "--session-name", "link")
    home.daypass("profile", "add", "session", "--session", "--duration", "12h", *source)
    named = ("--session-name", "build", *at)
    home.daypass("profile", "add", "web", "--role", pipeline, "--token-file", "~/token.jwt", *named)
    home.daypass("profile", "add", "plain", "--plain", "--role", role, *source)
    home.daypass("profile", "add", "plain-web", "--plain", "--role", pipeline, "--token-file", "~/token.jwt", *at)
    client = ("--issuer", f"https://{ISSUER}", "--client-id", "old-client", "--scopes", "openid groups")
    home.daypass("profile", "add", "browser", "--role", pipeline, *client, *at)
    home.daypass("profile", "add", "printed", "--role", pipeline, "--token-command", "cat token.jwt", *at)
    home.daypass("profile", "add", "workforce", "--saml", "--role", people, *at)
    mfa = ("--mfa-serial", scene.more["devices"]["phone"]["serial"])
    home.daypass("profile", "add", "careful", "--role", role, *source, *mfa)
    home.daypass("federation-token", "guest", "--profile", "ci", "--output", "json")
    response = folder / "response.txt"
    for name, more in (("people", ()), ("on-disk", ("--keys",))):
        response.write_text(scene.saml_response("people"))
        login = ("login", "saml", "--assertion-file", str(response), "--role", people, "--profile", name)
        home.daypass(*login, *more, *at)
    response.unlink()
    kept = ("deploy", "chain", "session", "web", "people")
    answers = {name: json.loads(home.daypass("credential-process", "--profile", name)) for name in kept}
    _postpone_ends(folder)
    return answers


def _postpone_ends(folder: Path) -> None:
    cache = CredentialCache(folder / ".cache/daypass/credentials")
    for known in list(cache.entries()):
        entry = cache.find(known.key, now=datetime.now(UTC))
        if entry is None:
            raise LookupError(known.profile)
        cache.keep(replace(entry, credentials=replace(entry.credentials, expires=_ANOTHER)))
    for lock in cache.folder.glob("*.lock"):
        lock.unlink()
