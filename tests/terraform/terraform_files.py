"""Where a machine has the AWS provider of Terraform, without asking a registry.

Owns the directories that Terraform itself reads, and DAYPASS_TEST_TERRAFORM_PLUGINS, which names another.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_PROVIDER = "*/hashicorp/aws"  # below the name of the registry that it came from
_MIRROR = re.compile(r'filesystem_mirror\s*\{[^}]*\bpath\s*=\s*"([^"]+)"')


def find_mirror() -> str | None:
    """Return the directory of plugins that has the AWS provider, or None."""
    return next((str(folder) for folder in _folders() if any(folder.glob(_PROVIDER))), None)


def _folders() -> Iterator[Path]:
    home = Path.home()
    for name in ("DAYPASS_TEST_TERRAFORM_PLUGINS", "TF_PLUGIN_CACHE_DIR"):
        if os.environ.get(name):
            yield Path(os.environ[name])
    for config in (os.environ.get("TF_CLI_CONFIG_FILE"), str(home / ".terraformrc")):
        if config and Path(config).is_file():
            yield from map(Path, _MIRROR.findall(Path(config).read_text(encoding="utf-8")))
    yield home / ".terraform.d/plugins"
    data = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for folder in (data, *shared.split(":")):
        yield Path(folder, "terraform/plugins")
    yield from sorted(Path("/opt").glob("*"))
