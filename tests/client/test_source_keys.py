"""The cache key contains the identity of the source. A session of an unknown source is not cached."""

from pathlib import Path
from typing import Any

import pytest
from tests.client.machine import ACCOUNT, ANYTHING, Machine

from daypass.client.credential_request import CredentialRequest
from daypass.client.profiles.profiles import Profile, Profiles
from daypass.client.sessions.source_keys import source_key
from daypass.testing.tokens import SigningKey, compact

WISH = CredentialRequest(profile="", method="assume", role_arn=(f"arn:aws:iam::{ACCOUNT}:role/second",))
KEY = SigningKey.generate("ES256", "one")


def found(profiles: dict[str, dict[str, str]], **environment: str) -> str:
    """Return the source part of the key for a request, with x as the current profile."""
    known = {name: Profile(name, options, {}) for name, options in profiles.items()}
    return source_key(WISH, Profiles(known, {}), {"AWS_PROFILE": "x", **environment})


def token_file(folder: Path, subject: str) -> str:
    """Write a token of a subject."""
    path = folder / subject
    path.write_text(compact({"alg": "ES256"}, {"iss": "https://issuer.example", "sub": subject, "exp": 1}, KEY))
    return str(path)


def test_the_keys_of_a_source_profile_count() -> None:
    """Also through several profiles."""
    chain = {"x": {"role_arn": "r", "source_profile": "y"}, "y": {"role_arn": "s", "source_profile": "z"}}
    one, other = ({**chain, "z": {"aws_access_key_id": key}} for key in ("AKIAONE", "AKIAOTHER"))
    assert found(one) == found(dict(one))
    assert found(one) != found(other)
    itself = {"x": {"role_arn": "r", "source_profile": "x", "aws_access_key_id": "AKIAONE"}}
    assert found(itself) != found({"x": {**itself["x"], "aws_access_key_id": "AKIAOTHER"}})


def test_what_a_container_is_given_counts() -> None:
    """Its URL, and the token for it."""
    uri = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    answers = {
        found({}, **{uri: "http://127.0.0.1/a"}),
        found({}, **{uri: "http://127.0.0.1/b"}),
        found({}, **{uri: "http://127.0.0.1/b", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "t"}),
        found({}),
    }
    assert len(answers) == 4
    assert "" not in answers


def test_who_a_token_is_about_counts(tmp_path: Path) -> None:
    """In the environment and in a profile, by issuer and subject: a renewed token has the same identity."""
    ann, eve = token_file(tmp_path, "ann"), token_file(tmp_path, "eve")
    name = "AWS_WEB_IDENTITY_TOKEN_FILE"
    assert found({}, **{name: ann}) != found({}, **{name: eve})
    assert found({}, **{name: ann}) != found({}, **{name: ann, "AWS_ROLE_ARN": "r"})
    path = tmp_path / "token"
    profile = {"x": {"role_arn": "r", "web_identity_token_file": str(path)}}
    answers = []
    for source in (ann, eve):
        path.write_text(Path(source).read_text())
        answers.append(found(profile))
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    "options", [{"x": {"credential_process": "p"}}, {"x": {"role_arn": "r", "source_profile": "y"}}]
)
def test_where_nobody_can_tell_nothing_is_kept(options: dict[str, Any]) -> None:
    """Another program may return keys of any identity."""
    assert found({**options, "y": {"credential_process": "p"}}) == ""


@pytest.mark.slow
def test_another_key_in_a_source_profile_is_another_persons_session(machine: Machine) -> None:
    """The session of the previous key is not returned for the new key."""
    deploy = f"arn:aws:iam::{ACCOUNT}:role/deploy"
    with machine.config.open("a") as config:
        config.write(
            f"[profile x]\nrole_arn = {deploy}\nsource_profile = ann\nregion = eu-west-1\n"
            f"endpoint_url = {machine.server.url}\n"
        )
    words = ("assume", "second", "--profile", "x", "--output", "process")
    before = machine.good(*words).json
    assert machine.good(*words).json["AccessKeyId"] == before["AccessKeyId"]
    machine.iam.create_user(UserName="eve")
    machine.iam.put_user_policy(UserName="eve", PolicyName="p", PolicyDocument=ANYTHING)
    key = machine.iam.create_access_key(UserName="eve")["AccessKey"]
    machine.credentials.write_text(
        f"[ann]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
    )
    assert machine.good(*words).json["AccessKeyId"] != before["AccessKeyId"]


def test_a_command_s_token_is_whose_it_says() -> None:
    """Its subject may change while the command does not; without a token it is unknown."""
    wish = CredentialRequest(profile="x", method="oidc", token_command="print it")
    tokens = [compact({"alg": "ES256"}, {"iss": "https://issuer.example", "sub": name}, KEY) for name in ("ann", "eve")]
    keys = [source_key(wish, Profiles({}, {}), {}, proof=token) for token in tokens]
    assert keys[0] != keys[1]
    assert source_key(wish, Profiles({}, {}), {}) == ""
