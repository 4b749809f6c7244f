"""The client on systems that the tests do not run on: Windows and macOS.

The commands run in a Python without the modules and functions that Windows lacks; what depends on the system's name is
called with that name. A console, its paths and its processes can only be tried on the system itself.
"""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest
from tests.client.client_only import pretend_windows
from tests.client.machine import Machine

from daypass.cli.shared.profile_writer import process_command, use_profile
from daypass.client import operating_system, prompt
from daypass.client.operating_system import join_command, replace_file, split_command, sync_folder, user_name
from daypass.client.profiles.chains import profile_of_process
from daypass.client.programs.shells import setting, shell_command

POWERSHELL = {"PSModulePath": r"C:\Program Files\PowerShell\7\Modules"}
_FOLDER = """
import sys
sys.platform = sys.argv[1]
sys.modules["ctypes"] = None  # Then platformdirs reads the variables instead of asking Windows.
from daypass.client.operating_system import cache_folder
print(cache_folder({}))
"""


@pytest.fixture
def on_windows(machine: Machine, tmp_path: Path) -> Machine:
    """Return a machine whose `daypass` has the modules and functions of Windows alone."""
    (tmp_path / "programs").mkdir()
    path = f"{pretend_windows(tmp_path / 'programs')}:{machine.environment['PATH']}"
    local = tmp_path / "home/AppData/Local"
    return replace(machine, more={"PATH": path, "USERNAME": "ann", "LOCALAPPDATA": str(local)})


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the functions under test read the name of Windows."""
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.slow
def test_a_role_is_assumed_and_kept(on_windows: Machine) -> None:
    """Profiles, the cache in %LOCALAPPDATA% and credentials work; the name of the session is the person's."""
    added = on_windows.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    assert "To use it: set" in added.err
    first = on_windows.good("credential-process", "--profile", "deploy").json
    (kept,) = (on_windows.home / "AppData/Local/daypass/Cache/credentials").glob("*.json")
    assert json.loads(kept.read_text())["credentials"]["AccessKeyId"] == first["AccessKeyId"]
    assert on_windows.good("credential-process", "deploy").json == first
    assert ":assumed-role/deploy/ann@" in on_windows.good("whoami", "--profile", "deploy").out


def test_commands_for_the_shells_of_windows_are_printed(on_windows: Machine) -> None:
    """PowerShell and cmd are told apart by their variables."""
    lines = on_windows.good("env", "--profile", "ann", **POWERSHELL).out
    assert "$Env:AWS_ACCESS_KEY_ID = 'AKIA" in lines
    if "%" not in lines and "^" not in lines:
        assert 'set "AWS_ACCESS_KEY_ID=AKIA' in on_windows.good("env", "--profile", "ann", PROMPT="$P$G").out


def test_a_prompt_without_a_console_names_the_option(on_windows: Machine) -> None:
    """No terminal is not an error of Python."""
    asked = on_windows.daypass("profile", "add", "new", "--access-key-id", "AKIAIOSFODNN7EXAMPLE")
    assert asked.code != 0
    assert "there is no terminal for a prompt" in asked.err
    assert "Traceback" not in asked.err


@pytest.mark.slow
def test_every_way_to_use_credentials_works(on_windows: Machine) -> None:
    """Commands run, sessions are listed and removed, and doctor has no advice that only fits other systems."""
    on_windows.good("profile", "add", "deploy", "--role", "deploy", "--source-profile", "ann")
    assert "assumed-role/deploy/" in on_windows.good("exec", "--profile", "deploy", "--", "daypass", "whoami").out
    shell = on_windows.good("shell", "--profile", "deploy", COMSPEC="/usr/bin/env", PROMPT="$P$G")
    assert "AWS_SESSION_TOKEN=" in shell.out
    served = on_windows.good("exec", "--server", "--profile", "deploy", "--", "daypass", "whoami")
    assert "assumed-role/deploy/" in served.out
    assert "deploy" in on_windows.good("status").out
    on_windows.credentials.chmod(0o666)  # as every file of Windows looks
    examined = on_windows.daypass("doctor", "--profile", "deploy")
    assert "chmod" not in examined.out
    on_windows.good("renew", "deploy")
    on_windows.good("profile", "rename", "deploy", "other")
    assert "--profile other" in on_windows.config.read_text()
    on_windows.good("logout", "--all")


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii"])
def test_output_in_an_old_encoding_is_no_error(machine: Machine, encoding: str) -> None:
    """A pipe of PowerShell or cmd has the code page of the system, which lacks most characters."""
    for output in ("table", "text"):
        shown = machine.good(
            "whoami", "--profile", "ann", "--output", output, PYTHONIOENCODING=encoding, PYTHONUTF8="0"
        )
        assert "user/ann" in shown.out


@pytest.mark.parametrize(
    ("platform", "folder"),
    [("win32", "AppData/Local/daypass/Cache"), ("darwin", "Library/Caches/daypass"), ("linux", ".cache/daypass")],
)
def test_the_cache_is_in_the_folder_of_the_system(tmp_path: Path, platform: str, folder: str) -> None:
    """On macOS and Windows an existing ~/.cache/daypass stays in use, and XDG_CACHE_HOME counts everywhere."""
    environment = {"HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path / "AppData/Local")}

    def found() -> Path:
        command = [sys.executable, "-c", _FOLDER, platform]
        return Path(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip())

    assert found() == tmp_path / folder
    assert operating_system.cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/daypass")
    (tmp_path / ".cache/daypass").mkdir(parents=True)
    assert found() == tmp_path / ".cache/daypass"


@pytest.mark.usefixtures("windows")
def test_a_command_of_windows_keeps_its_backslashes() -> None:
    """AWS's tools split a credential process by the rules of Windows there."""
    path = str(PureWindowsPath(r"C:\Program Files\Python\Scripts\daypass.exe"))
    words = (path, "credential-process", "--profile", "my role")
    command = join_command(words)
    assert command == rf'"{path}" credential-process --profile "my role"'
    assert split_command(command) == list(words)
    assert profile_of_process(command) == "my role"
    assert split_command(r"C:\tools\code.exe -n") == [r"C:\tools\code.exe", "-n"]
    with pytest.raises(ValueError, match="quot"):
        split_command('"unclosed')


def test_a_command_of_other_systems_follows_their_shell() -> None:
    """A name with a space stays one word."""
    assert join_command(("/opt/day pass", "-x")) == "'/opt/day pass' -x"
    assert split_command("'/opt/day pass' -x") == ["/opt/day pass", "-x"]


def test_the_launcher_of_windows_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's launcher leaves the suffix out of the program's name."""
    (tmp_path / "daypass.exe").touch()
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "daypass")])
    assert process_command("dev") == f"{tmp_path / 'daypass.exe'} credential-process --profile dev"


@pytest.mark.usefixtures("windows")
def test_the_advice_is_for_the_person_s_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """`export` exists neither in PowerShell nor in cmd."""
    monkeypatch.setenv("PSModulePath", "x")
    monkeypatch.delenv("PROMPT", raising=False)
    assert use_profile("dev") == "$Env:AWS_PROFILE = 'dev'"
    monkeypatch.setenv("PROMPT", "$P$G")
    assert use_profile("dev") == 'set "AWS_PROFILE=dev"'
    assert setting("AWS_PROFILE", "50%", "cmd") == 'set "AWS_PROFILE=..."'


@pytest.mark.parametrize(
    ("environment", "is_windows", "program"),
    [
        ({"SHELL": "/bin/zsh"}, False, "/bin/zsh"),
        ({}, False, "sh"),
        (POWERSHELL, True, "pwsh.exe"),
        ({"PSModulePath": r"C:\Windows\system32\WindowsPowerShell\v1.0\Modules"}, True, "powershell.exe"),
        ({"PROMPT": "$P$G", "COMSPEC": r"C:\Windows\system32\cmd.exe"}, True, r"C:\Windows\system32\cmd.exe"),
        ({}, True, "cmd.exe"),
    ],
)
def test_the_shell_of_the_system_starts(environment: dict[str, str], *, is_windows: bool, program: str) -> None:
    """`daypass shell` starts the shell that the person uses."""
    assert shell_command(environment, windows=is_windows) == program


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    ("keys", "typed"),
    [("secret\r", "secret"), ("sx\be\r", "se"), ("\b\xe0Ha\x00;b\r", "ab"), ("a" * 10_000 + "\r", "a" * 10_000)],
)
def test_a_secret_is_read_from_the_keys_of_a_console(keys: str, typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrows are left out, backspace works, a line may be long, and no key is shown."""
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(getwch=iter(keys).__next__))
    screen = io.StringIO()
    assert prompt._read_keys(screen, "Secret: ") == typed
    assert screen.getvalue() == "Secret: \n"


@pytest.mark.usefixtures("windows")
def test_ctrl_c_ends_a_prompt_of_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """The console passes the key on instead of a signal."""
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(getwch=iter("se\x03").__next__))
    with pytest.raises(KeyboardInterrupt):
        prompt._read_keys(io.StringIO(), "Secret: ")


@pytest.mark.usefixtures("windows")
def test_a_file_that_a_reader_has_open_is_replaced_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses the rename meanwhile; a file that stays open is an error."""
    new, target = tmp_path / "new", tmp_path / "target"
    new.write_text("new")
    refusals = iter([PermissionError(13, "in use"), None])

    def rename(self: Path, to: Path) -> None:
        refusal = next(refusals, None)
        if refusal is not None:
            raise refusal
        to.write_text(self.read_text())

    monkeypatch.setattr(operating_system, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(Path, "replace", rename)
    replace_file(new, target)
    assert target.read_text() == "new"
    refusals = iter([PermissionError(13, "in use")] * 100)
    with pytest.raises(PermissionError):
        replace_file(new, target)
    sync_folder(tmp_path)


def test_an_unknown_person_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a variable nor a list of users names the person: a number, or a word on Windows."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "pwd", None)
    assert user_name().isdigit()
    monkeypatch.setattr(sys, "platform", "win32")
    assert user_name() == "somebody"
