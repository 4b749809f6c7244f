"""The units of packaging/systemd, and copies of them that name this installation of Daypass."""

from pathlib import Path

from tests.process.daypass import BIN

FOLDER = Path(__file__).parents[2] / "packaging/systemd"
SERVICES = ("daypass.service", "daypass-gateway.service")
_INSTALLED = "/opt/daypass/bin/daypass"


def values(name: str, section: str, key: str) -> list[str]:
    """Return the values of a setting that a unit may have several times."""
    found, current = [], ""
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and line.partition("=")[0] == key:
            found.append(line.partition("=")[2])
    return found


def runnable_units(folder: Path) -> list[Path]:
    """Copy the units into a folder, with the program of this environment."""
    for each in FOLDER.glob("*.s*"):
        text = each.read_text(encoding="utf-8")
        (folder / each.name).write_text(text.replace(_INSTALLED, str(BIN)), encoding="utf-8")
    return sorted(folder.glob("*.s*"))
