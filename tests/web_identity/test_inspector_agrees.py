"""`daypass token inspect` says what AssumeRoleWithWebIdentity answers.

Tokens with mistakes of every kind go to a running server and, as they are, to the inspector beside it. The verdict, the
exit code, the code and the words are the same.
"""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from tests.web_identity.conftest import Fleet, name_of, open_account, reaching, take, unsigned_client

from daypass.cli.main import cli
from daypass.testing.oidc import OidcIssuer
from daypass.testing.server import running_server
from daypass.testing.tokens import SigningKey, compact, encode_json

TAGS = "https://aws.amazon.com/tags"
IDENTITY = "https://aws.amazon.com/source_identity"
ROLES = "https://aws.amazon.com/roles"
FAR = "arn:aws:iam::210987654321:role/dev"


@dataclass
class Draft:
    """A token in the making: each mistake changes one part."""

    issuer: OidcIssuer
    role: str
    now: int
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    alg: str = "RS256"
    by: SigningKey | None = None
    texts: list[Callable[[str], str]] = field(default_factory=list)

    def sign_with(self, key: SigningKey, **header: object) -> None:
        """Let another key sign, and add members to the header."""
        self.by = key
        self.header |= header

    def token(self) -> str:
        """Return the token, as it is sent. A value that is `...` removes its member."""
        key = self.issuer.signing[self.alg]
        now = self.now
        claims = {"iss": self.issuer.url, "sub": "user-1", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 600}
        header = {"alg": self.alg, "typ": "JWT", "kid": key.kid}
        parts = ({**header, **self.header}, {**claims, **self.claims})
        first, second = ({name: value for name, value in part.items() if value is not ...} for part in parts)
        text = compact(first, second, self.by or key)
        for spoil in self.texts:
            text = spoil(text)
        return text


Mistake = Callable[[Draft], object]


def _claim(name: str, value: object) -> Mistake:
    return lambda draft: draft.claims.update({name: value})


def _time(name: str, seconds: int) -> Mistake:
    return lambda draft: draft.claims.update({name: draft.now + seconds})


def _header(name: str, value: object) -> Mistake:
    return lambda draft: draft.header.update({name: value})


def _sent(change: Callable[[str], str]) -> Mistake:
    return lambda draft: draft.texts.append(change)


def _roles(*values: str) -> Mistake:
    return lambda draft: draft.claims.update({ROLES: [draft.role if value == "own" else value for value in values]})


def _part(number: int, change: Callable[[str], str]) -> Mistake:
    def spoil(text: str) -> str:
        parts = text.split(".")
        if len(parts) > number:
            parts[number] = change(parts[number])
        return ".".join(parts)

    return _sent(spoil)


@cache
def _other_key() -> SigningKey:
    return SigningKey.generate("RS256", "another")


MISTAKES: Mapping[str, Mistake] = {
    "none": lambda _: None,
    "es256": lambda draft: setattr(draft, "alg", "ES256"),
    "rs512": lambda draft: setattr(draft, "alg", "RS512"),
    "no-iss": _claim("iss", ...),
    "iss-null": _claim("iss", None),
    "iss-number": _claim("iss", 7),
    "iss-unknown": _claim("iss", "https://unknown.example"),
    "iss-slash": lambda draft: draft.claims.update({"iss": f"{draft.issuer.url}/"}),
    "no-sub": _claim("sub", ...),
    "sub-null": _claim("sub", None),
    "sub-number": _claim("sub", 7),
    "sub-empty": _claim("sub", ""),
    "sub-long": _claim("sub", "s" * 256),
    "sub-control": _claim("sub", "a\nb"),
    "no-aud": _claim("aud", ...),
    "aud-other": _claim("aud", "other"),
    "aud-list": _claim("aud", ["sts.amazonaws.com"]),
    "aud-two": _claim("aud", ["sts.amazonaws.com", "other"]),
    "aud-empty": _claim("aud", []),
    "aud-number": _claim("aud", 7),
    "azp": _claim("azp", "sts.amazonaws.com"),
    "azp-other": _claim("azp", "other"),
    "azp-null": _claim("azp", None),
    "azp-number": _claim("azp", 7),
    "no-iat": _claim("iat", ...),
    "no-exp": _claim("exp", ...),
    "exp-null": _claim("exp", None),
    "exp-fraction": _claim("exp", 1e10),
    "exp-text": _claim("exp", "tomorrow"),
    "expired": _time("exp", -400),
    "just-expired": _time("exp", -200),
    "issued-ahead": _time("iat", 200),
    "issued-far-ahead": _time("iat", 400),
    "not-before": _time("nbf", 200),
    "not-before-far-ahead": _time("nbf", 400),
    "nbf-null": _claim("nbf", None),
    "nbf-true": _claim("nbf", True),
    "events": _claim("events", {}),
    "events-null": _claim("events", None),
    "amr": _claim("amr", ["pwd", "mfa"]),
    "amr-null": _claim("amr", None),
    "amr-number": _claim("amr", 7),
    "email": _claim("email", ["a@example.org"]),
    "email-object": _claim("email", {"a": 1}),
    "identity": _claim(IDENTITY, "i" * 256),
    "identity-long": _claim(IDENTITY, "i" * 257),
    "identity-short": _claim(IDENTITY, "i"),
    "identity-null": _claim(IDENTITY, None),
    "identity-colon": _claim(IDENTITY, "aws:alice"),
    "tags": _claim(TAGS, {"principal_tags": {"Team": ["blue"]}, "transitive_tag_keys": ["Team"]}),
    "tags-flat": _claim(f"{TAGS}/principal_tags/Team", "blue"),
    "tags-null": _claim(TAGS, None),
    "tags-flat-null": _claim(f"{TAGS}/principal_tags/Team", None),
    "tags-value": _claim(TAGS, {"principal_tags": {"Team": "blue"}}),
    "tags-value-null": _claim(TAGS, {"principal_tags": {"Team": None}}),
    "tags-member": _claim(TAGS, {"tags": {"Team": ["blue"]}}),
    "tags-twice": _claim(TAGS, {"principal_tags": {"Team": ["blue"], "team": ["red"]}}),
    "tags-transitive": _claim(TAGS, {"principal_tags": {}, "transitive_tag_keys": ["Team"]}),
    "tags-aws": _claim(TAGS, {"principal_tags": {"aws:Team": ["blue"]}}),
    "tags-too-large": _claim(TAGS, {"principal_tags": {f"key{n}": [f"{n:02}" * 60] for n in range(50)}}),
    "roles-own": _roles("nonsense", "own"),
    "roles-far": _roles(FAR),
    "roles-nonsense": _roles("nonsense"),
    "roles-empty": _roles(),
    "roles-null": _claim(ROLES, None),
    "alg-none": _header("alg", "none"),
    "alg-ps256": _header("alg", "PS256"),
    "alg-number": _header("alg", 7),
    "kid-unknown": _header("kid", "unknown"),
    "kid-absent": _header("kid", ...),
    "kid-null": _header("kid", None),
    "typ-access": _header("typ", "at+jwt"),
    "cty": _header("cty", "JWT"),
    "crit": _header("crit", ["exp"]),
    "b64": _header("b64", True),
    "jku": _header("jku", "https://attacker.example/keys"),
    "jwk": lambda draft: draft.header.update(jwk=_other_key().jwk()),
    "x5c": _header("x5c", ["MIIB"]),
    "x5u": _header("x5u", "http://127.0.0.1:9/chain.pem"),
    "of-another-key": lambda draft: draft.sign_with(_other_key()),
    "of-another-key-with-jwk": lambda draft: draft.sign_with(_other_key(), jwk=_other_key().jwk()),
    "one-character": _part(1, lambda part: ("A" if part[9:10] != "A" else "B").join((part[:9], part[10:]))),
    "no-signature": _part(2, lambda _: ""),
    "other-signature": _part(2, lambda part: "A" * len(part)),
    "padding": _part(2, lambda part: part + "="),
    "header-list": _part(0, lambda _: encode_json(["RS256"])),
    "payload-list": _part(1, lambda _: encode_json([1])),
    "two-parts": _sent(lambda text: text.rpartition(".")[0]),
    "four-parts": _sent(lambda text: f"{text}.x"),
    "line-end": _sent(lambda text: f"{text}\n"),
    "windows-line-end": _sent(lambda text: f"{text}\r\n"),
    "two-line-ends": _sent(lambda text: f"{text}\n\n"),
    "space-before": _sent(lambda text: f" {text}"),
    "bearer": _sent(lambda text: f"Bearer {text}"),
    "opaque": _sent(lambda _: "opaque-access-token"),
    "too-long": _claim("padding", "x" * 20_000),
    "too-long-by-white-space": _sent(lambda text: text + "\n" * (20_001 - len(text))),
    "short": _sent(lambda text: text[:3]),
    "empty": _sent(lambda _: ""),
}


@dataclass(frozen=True)
class Both:
    """A server with a provider and its pinned keys, and the inspector beside it."""

    issuer: OidcIssuer
    account: str
    role: str
    now: Callable[[], float]
    sts: Any
    run: Callable[..., Result]

    def compare(self, *mistakes: str) -> None:
        """Require the same of STS and of the inspector."""
        draft = Draft(self.issuer, self.role, int(self.now()))
        for name in mistakes:
            MISTAKES[name](draft)
        text = draft.token()
        code, words = self.answered(text)
        done = self.run("token", "inspect", "-", "--account", self.account, "--output", "json", typed=text)
        document = json.loads(done.stdout)
        said = (document["Code"] or "", _normal(document["Message"] or ""))
        assert said == (code, words), (mistakes, document)
        if code and words.startswith("No OpenIDConnect provider found"):
            expected = {("unknown", 6), ("refused", 5)}  # refused if another check fails too
        else:
            expected = {("refused", 5) if code else ("accepted", 0)}
        assert (document["Outcome"], done.exit_code) in expected, (mistakes, document)
        assert document["Provider"] is None or document["Provider"].startswith(f"arn:aws:iam::{self.account}:")

    def answered(self, text: str) -> tuple[str, str]:
        """Return the code and the words of STS's refusal, or two empty strings."""
        try:
            take(self.sts, self.role, text)
        except ClientError as error:
            return error.response["Error"]["Code"], _normal(error.response["Error"]["Message"])
        return "", ""


def _normal(words: str) -> str:
    """Remove the current time, which may be a second later for the inspector."""
    return re.sub(r"current date/time \d+", "current date/time N", words)


@pytest.fixture(scope="module")
def both(fleet: Fleet, issuer: OidcIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Run a server on a store that the inspector can open too."""
    folder: Path = tmp_path_factory.mktemp("store")
    store = f"sqlite:///{folder / 'd.db'}"
    with running_server(store=store, config=reaching(issuer)) as server:
        fleet.server = server

        def run(*arguments: str, typed: str = "") -> Result:
            return CliRunner().invoke(cli, [*arguments, "--store", store], input=typed.encode())

        account = open_account(server)
        role = account.role("dev", account.trust(issuer))
        keys = folder / "jwks.json"
        keys.write_text(json.dumps({"keys": issuer.published}))
        provider = f"arn:aws:iam::{account.id}:oidc-provider/{name_of(issuer)}"
        assert run("oidc", "set", provider, "--pin", str(keys)).exit_code == 0
        yield Both(issuer, account.id, role, fleet.now, unsigned_client(server), run)


SOME = sorted(MISTAKES)[::4]


@pytest.mark.parametrize("mistake", SOME)
def test_a_token_with_a_mistake(both: Both, mistake: str) -> None:
    """A mistake of each kind."""
    both.compare(mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_token_with_one_mistake(both: Both, mistake: str) -> None:
    """Every mistake alone."""
    both.compare(mistake)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_tokens_with_several_mistakes(both: Both, seed: int) -> None:
    """Two to four mistakes: STS stops at the first, and the inspector says which one that is."""
    dice = random.Random(seed)  # noqa: S311 - a test
    for _ in range(40):
        both.compare(*dice.sample(sorted(MISTAKES), dice.randint(2, 4)))
