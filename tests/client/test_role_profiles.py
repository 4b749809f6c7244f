"""AWS's own role profiles with MFA: our prompt, options and session cache, and standard input stays the command's."""

from collections.abc import Callable

import pytest
from tests.client.inside import Ended, enter, type_in
from tests.client.machine import ACCOUNT, Machine
from tests.slow_cases import quick_first
from tests.sts.authenticator import Authenticator

ROLES = f"arn:aws:sts::{ACCOUNT}:assumed-role"
Type = Callable[..., Ended]
ROLE = f"role_arn = arn:aws:iam::{ACCOUNT}:role"

# Commands that get the credentials of a profile, and the exit code if a code is needed and cannot be asked for.
COMMANDS: dict[str, tuple[tuple[str, ...], int]] = {
    "whoami": (("whoami",), 3),
    "exec": (("exec", "{options}", "--", "true"), 125),
    "exec --server": (("exec", "--server", "{options}", "--", "true"), 125),
    "shell": (("shell",), 3),
    "credential-process": (("credential-process",), 3),
    "env": (("env",), 3),
    "assume": (("assume", "second"), 3),
    "sts": (("sts", "get-caller-identity"), 3),
    "console": (("console", "--sign-in-url", "https://console.example/"), 3),
    "session-token": (("session-token",), 3),
    "federation-token": (("federation-token", "guest"), 3),
}

# Profile that the person names -> the further options of the command, the profiles, and the role of the session.
# {serial} is the device of ann, whose keys are in the profile ann.
PROFILES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "mm": ((), f"[profile mm]\n{ROLE}/careful\nsource_profile = ann\nmfa_serial = {{serial}}\n", "careful"),
    "top": (
        (),
        (
            f"[profile top]\n{ROLE}/second\nsource_profile = dep\n"
            f"[profile dep]\n{ROLE}/deploy\nsource_profile = ann\nmfa_serial = {{serial}}\n"
        ),
        "second",
    ),
    "env": (
        (),
        f"[profile env]\n{ROLE}/careful\ncredential_source = Environment\nmfa_serial = {{serial}}\n",
        "careful",
    ),
    "itself": ((), f"[profile itself]\n{ROLE}/careful\nsource_profile = itself\nmfa_serial = {{serial}}\n", "careful"),
    "ours": (
        (),
        (
            f"[profile ours]\ndaypass_method = role\ndaypass_role_arn = arn:aws:iam::{ACCOUNT}:role/second\n"
            "daypass_source_profile = dep\ncredential_process = daypass credential-process --profile ours\n"
            f"[profile dep]\n{ROLE}/deploy\nsource_profile = ann\nmfa_serial = {{serial}}\n"
        ),
        "second",
    ),
    "dep": (
        ("--role", "second"),
        f"[profile dep]\n{ROLE}/deploy\nsource_profile = ann\nmfa_serial = {{serial}}\n",
        "second",
    ),
}


@pytest.fixture
def typed(machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Type:
    """Return the function that runs a command on the machine, in this process."""
    enter(monkeypatch, {**machine.environment, "AWS_ENDPOINT_URL_STS": machine.server.url})
    return lambda *words, **more: type_in(words, monkeypatch, capfd, **more)


def add(machine: Machine, text: str, serial: str) -> None:
    """Add profiles to the config file."""
    with machine.config.open("a") as config:
        config.write(text.replace("{serial}", serial))


def options_of(command: str, *options: str) -> tuple[str, ...]:
    """Return the words of a command with options."""
    words = COMMANDS[command][0]
    if "{options}" not in words:
        return (*words, *options)
    at = words.index("{options}")
    return (*words[:at], *options, *words[at + 1 :])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_code_that_cannot_be_asked_for_is_a_sign_in(command: str, machine: Machine, typed: Type) -> None:
    """The message names the option, and standard input is left as it is."""
    add(machine, PROFILES["mm"][1], f"arn:aws:iam::{ACCOUNT}:mfa/phone")
    done = typed(*options_of(command, "--profile", "mm", "--no-input"), stdin="first line\nsecond line\n")
    assert (done.code, done.out, done.read) == (COMMANDS[command][1], "", 0), done.err
    assert "--mfa-code" in done.err
    assert "custom-process" not in done.err


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "default"])
def test_a_role_profile_at_hand_is_served_in_the_same_way(
    variable: str, machine: Machine, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile of the environment, and the profile `default`."""
    name = "default" if variable == "default" else "mm"
    text = PROFILES["mm"][1].replace("[profile mm]", "[default]" if name == "default" else "[profile mm]")
    add(machine, text, f"arn:aws:iam::{ACCOUNT}:mfa/phone")
    if name == "mm":
        monkeypatch.setenv(variable, name)
    for command in ("whoami", "credential-process", "assume", "sts"):
        done = typed(*options_of(command, "--no-input"), stdin="first line\n")
        assert (done.code, done.read, "--mfa-code" in done.err) == (3, 0, True), done


@pytest.mark.parametrize("name", quick_first(list(PROFILES)))
def test_one_code_serves_the_commands_that_follow(
    name: str, machine: Machine, device: Authenticator, typed: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong code, a code, and then none is needed: the session with MFA is cached."""
    more, text, role = PROFILES[name]
    keys = machine.credentials.read_text()
    if name == "itself":
        machine.credentials.write_text(keys.replace("[ann]", "[itself]"))
    if name == "env":
        key_id, secret = (line.partition("= ")[2] for line in keys.splitlines() if "=" in line)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    add(machine, text, device.serial)
    words = ("credential-process", "--profile", name, *more)
    assert typed(*words, "--no-input").code == 3
    refused = typed(*words, "--mfa-code", device.wrong())
    assert (refused.code, "next code" in refused.err) == (5, True), refused
    served = typed(*words, "--mfa-command", f"echo {device.code()}", "--no-input")
    assert served.code == 0, served.err
    assert typed(*words, "--no-input").out == served.out
    assert typed(*words, "--no-input", "--fresh").code == 0
    if not more:
        shown = typed("whoami", "--profile", name, "--no-input", "--query", "Arn", "--output", "text")
        assert shown.out.startswith(f"{ROLES}/{role}/"), shown


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (f"[profile x]\n{ROLE}/careful\nsource_profile = ann\ncredential_source = Environment\n", "both", 6),
        (f"[profile x]\n{ROLE}/careful\n", "role_arn", 6),
        (f"[profile x]\n{ROLE}/careful\ncredential_source = Elsewhere\n", "credential_source", 6),
        (f"[profile x]\n{ROLE}/careful\ncredential_source = Environment\n", "Environment has no credentials", 6),
        (f"[profile x]\n{ROLE}/careful\ncredential_source = EcsContainer\n", "EcsContainer has no credentials", 6),
        (f"[profile x]\n{ROLE}/careful\nsource_profile = ann\nduration_seconds = soon\n", "duration_seconds", 6),
        (f"[profile x]\n{ROLE}/careful\nsource_profile = nothere\n", "nothere", 6),
        (f"[profile x]\n{ROLE}/careful\nsource_profile = empty\n[profile empty]\noutput = json\n", "empty", 6),
        (f"[profile x]\n{ROLE}/careful\nsource_profile = x\n", "itself", 6),
        (f"[profile x]\n{ROLE}/absent\nsource_profile = ann\n", "AccessDenied", 4),
    ],
)
def test_a_role_profile_that_cannot_work_is_explained(
    text: str, words: str, code: int, machine: Machine, typed: Type
) -> None:
    """All commands have the same exit code, and the message names the profile or the setting."""
    add(machine, text, "")
    for command in ("whoami", "credential-process"):
        done = typed(command, "--profile", "x", "--no-input")
        assert done.code == code, done.err
        assert words in done.err


OURS = "daypass_method = role\ncredential_process = daypass credential-process --profile x\ndaypass_source_profile = "
UNAVAILABLE: dict[str, tuple[str, int]] = {
    "role that does not exist": (f"{OURS}ann\ndaypass_{ROLE}/absent\n", 4),
    "role that does not trust": (f"{OURS}ann\ndaypass_{ROLE}/second\n", 4),
    "endpoint that is down": (f"{OURS}ann\ndaypass_{ROLE}/deploy\ndaypass_endpoint_url = http://127.0.0.1:1\n", 7),
    "endpoint that is not a URL": (f"{OURS}ann\ndaypass_{ROLE}/deploy\ndaypass_endpoint_url = here\n", 6),
    "loop": (f"{OURS}x\ndaypass_{ROLE}/deploy\n", 6),
    "source that does not exist": (f"{OURS}nothere\ndaypass_{ROLE}/deploy\n", 6),
    "duration of a chain": (
        f"{OURS}ann\ndaypass_{ROLE}/deploy arn:aws:iam::{ACCOUNT}:role/second\ndaypass_duration = 4h\n",
        2,
    ),
    "malformed duration": (f"{OURS}ann\ndaypass_{ROLE}/deploy\ndaypass_duration = soon\n", 6),
    "code that is needed": (f"{OURS}ann\ndaypass_{ROLE}/deploy\ndaypass_mfa_serial = arn:aws:iam::1:mfa/m\n", 3),
    "sign-in that is needed": (f"daypass_method = saml\ncredential_process = daypass\ndaypass_{ROLE}/deploy\n", 3),
}


@pytest.mark.parametrize("kind", UNAVAILABLE)
def test_whoami_has_the_exit_codes_of_the_other_commands(kind: str, machine: Machine, typed: Type) -> None:
    """It says the same, without the name of a provider of botocore."""
    text, code = UNAVAILABLE[kind]
    add(machine, f"[profile x]\n{text}", "")
    other = typed("credential-process", "--profile", "x", "--no-input")
    done = typed("whoami", "--profile", "x", "--no-input")
    assert (other.code, done.code) == (code, code), (other.err, done.err)
    assert done.err == other.err
    assert "custom-process" not in done.err


def test_an_option_for_a_code_needs_a_role(typed: Type) -> None:
    """It is not ignored for keys that need no code."""
    done = typed("credential-process", "--profile", "ann", "--mfa-code", "123456")
    assert (done.code, "--mfa-code" in done.err) == (2, True), done
