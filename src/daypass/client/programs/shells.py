"""Write variables as commands of a shell: sh, fish, PowerShell and cmd.

Pure. A value that cannot be quoted safely raises ValueError. Rules: POSIX.1-2017, 2.2 "Quoting"; the fish manual,
"Quotes"; about_Quoting_Rules; `set /?`.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# cmd expands % and ! inside quotes, and a quotation mark ends them. No form is safe both typed and in a file.
_NOT_FOR_CMD = re.compile(r'["%!^]')
# PowerShell ends a single-quoted string at typographic quotation marks too.
_POWERSHELL_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")


def _fish(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell(value: str) -> str:
    return "'" + _POWERSHELL_QUOTES.sub(r"\1\1", value) + "'"


def _cmd(value: str) -> str:
    if _NOT_FOR_CMD.search(value):
        raise ValueError("cmd does not support values with a quotation mark, %, ! or ^")
    return value


# Shell -> the functions that write the commands to set and to unset a variable.
SHELLS: Mapping[str, tuple[Callable[[str, str], str], Callable[[str], str]]] = MappingProxyType(
    {
        "sh": (lambda name, value: f"export {name}={shlex.quote(value)}", lambda name: f"unset {name}"),
        "fish": (lambda name, value: f"set -gx {name} {_fish(value)}", lambda name: f"set -e {name}"),
        "powershell": (
            lambda name, value: f"$Env:{name} = {_powershell(value)}",
            lambda name: f"Remove-Item -ErrorAction SilentlyContinue Env:{name}",
        ),
        "cmd": (lambda name, value: f'set "{name}={_cmd(value)}"', lambda name: f'set "{name}="'),
    }
)


def script(shell: str, variables: Mapping[str, str], cleared: Iterable[str] = ()) -> str:
    """Return the commands that set `variables` and unset `cleared`.

    Raises ValueError.
    """
    setting, clearing = SHELLS[shell]
    lines = [clearing(_checked_name(name)) for name in cleared if name not in variables]
    lines += [setting(_checked_name(name), _checked_value(name, value)) for name, value in variables.items()]
    return "\n".join(lines)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid variable name")
    return name


def _checked_value(name: str, value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError(f"{name} contains a control character")
    return value


def setting(name: str, value: str, shell: str) -> str:
    """Return the command that sets a variable, to show to a person.

    A value that cannot be quoted is left out.
    """
    try:
        return script(shell, {name: value})
    except ValueError:
        return SHELLS[shell][0](name, "...")


def shell_command(environment: Mapping[str, str], *, windows: bool) -> str:
    """Return the program of the person's shell."""
    if not windows:
        return environment.get("SHELL") or "sh"
    if find_shell(environment, windows=True) == "cmd":
        return environment.get("COMSPEC") or "cmd.exe"
    is_new = "powershell\\7" in environment.get("PSModulePath", "").lower()
    return "pwsh.exe" if is_new else "powershell.exe"


def find_shell(environment: Mapping[str, str], *, windows: bool) -> str:
    """Guess the shell that the person uses."""
    if windows:
        return "powershell" if "PSModulePath" in environment and "PROMPT" not in environment else "cmd"
    name = environment.get("SHELL", "").rpartition("/")[2]
    return {"fish": "fish", "pwsh": "powershell"}.get(name, "sh")
