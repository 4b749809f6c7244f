"""Chains of source profiles: each fault is found before a program is started or a request is sent."""

from pathlib import Path

import pytest
from tests.client.machine import Machine

from daypass.client.profiles.aws_files import Places
from daypass.client.profiles.chains import find_chain_fault, profile_of_process
from daypass.client.profiles.profiles import load_profiles

KEYS = "aws_access_key_id = AKIA0123456789ABCDEF\naws_secret_access_key = s\n"
OURS = "daypass_method = role\ndaypass_role_arn = arn:aws:iam::123456789012:role/r\n"

# The text of the config file -> the words of the fault of its profile `p`.
FAULTY = {
    "a role of itself": ("[profile p]\nrole_arn = r\nsource_profile = p\n", "'p' uses itself as its source"),
    "ours of itself": (f"[profile p]\n{OURS}daypass_source_profile = p\n", "'p' uses itself as its source"),
    "a program for itself": ("[profile p]\ncredential_process = daypass credential-process --profile p\n", "itself"),
    "a program with a path": (
        "[profile p]\ncredential_process = /x/daypass credential-process --profile=p\n",
        "itself",
    ),
    "a program and a role": (
        "[profile p]\ncredential_process = daypass credential-process --profile p --role r\n",
        "itself",
    ),
    "a program by its argument": ("[profile p]\ncredential_process = daypass credential-process p\n", "itself"),
    "two programs": (
        (
            "[profile p]\ncredential_process = daypass credential-process --profile q\n"
            "[profile q]\ncredential_process = daypass credential-process --profile p\n"
        ),
        "p > q > p",
    ),
    "three roles": (
        (
            "[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\nrole_arn = r\nsource_profile = s\n"
            "[profile s]\nrole_arn = r\nsource_profile = q\n"
        ),
        "q > s > q",
    ),
    "mixed": (
        f"[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\n{OURS}daypass_source_profile = p\n",
        "p > q > p",
    ),
    "a missing source": ("[profile p]\nrole_arn = r\nsource_profile = q\n", "Profile q does not exist"),
    "a missing source of ours": (f"[profile p]\n{OURS}daypass_source_profile = q\n", "Profile q does not exist"),
    "a source without credentials": (
        "[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\nregion = eu-west-1\n",
        "no credentials",
    ),
    "a role without a source": ("[profile p]\nrole_arn = r\n", "without a source"),
    "two kinds of source": ("[profile p]\nrole_arn = r\nsource_profile = q\ncredential_source = Environment\n", "both"),
    "an unknown source": ("[profile p]\nrole_arn = r\ncredential_source = Env\n", "is not valid"),
}
SOUND = {
    "keys": f"[profile p]\n{KEYS}",
    "a role of its own keys": f"[profile p]\nrole_arn = r\nsource_profile = p\n{KEYS}",
    "keys end the chain": f"[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\nsource_profile = p\n{KEYS}",
    "a token": "[profile p]\nrole_arn = r\nweb_identity_token_file = t\nsource_profile = p\n",
    "another program": "[profile p]\ncredential_process = vault --profile p\n",
    "ours": f"[profile p]\n{OURS}daypass_source_profile = q\n[profile q]\n{KEYS}",
    "no settings": "[profile p]\nregion = eu-west-1\n",
}


def _fault(folder: Path, text: str) -> str:
    (folder / "config").write_text(text)
    return find_chain_fault(load_profiles(Places(folder / "config", folder / "credentials")), "p")


@pytest.mark.parametrize("case", FAULTY)
def test_a_faulty_chain_is_named(tmp_path: Path, case: str) -> None:
    """The sentence has the profiles of the chain, and the setting to change."""
    text, words = FAULTY[case]
    assert words in _fault(tmp_path, text)


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_chain_has_no_fault(tmp_path: Path, case: str) -> None:
    """AWS's tools get credentials from these profiles, or find none."""
    assert _fault(tmp_path, SOUND[case]) == ""


@pytest.mark.parametrize(
    ("process", "profile"),
    [
        ("daypass credential-process --profile p", "p"),
        ("'/a b/daypass' credential-process --role r --profile 'p q'", "p q"),
        (r"'C:\x\daypass.exe' credential-process --profile p", "p"),
        ("daypass credential-process --role r", ""),
        ("daypass whoami --profile p", ""),
        ("other credential-process --profile p", ""),
        ("daypass 'credential-process", ""),
        ("", ""),
    ],
)
def test_the_profile_of_our_own_program_is_read(process: str, profile: str) -> None:
    """A program of another name may be anything, so it is never taken for ours."""
    assert profile_of_process(process) == profile


def test_every_command_ends_at_once_with_the_fault(machine: Machine) -> None:
    """No process is started, and no request is sent."""
    with machine.config.open("a") as config:
        config.write("[profile p]\ncredential_process = daypass credential-process --profile p\n")
    for words in (("credential-process",), ("env",), ("exec", "--", "true")):
        done = machine.daypass(words[0], "--profile", "p", *words[1:])
        assert (done.code, "uses itself as its source" in done.err) == (125 if words[0] == "exec" else 6, True), done
