"""The --store option of operators' commands, and the profile of a root key."""

import configparser
from pathlib import Path

from click.testing import CliRunner

from daypass.cli.main import cli


def test_a_wrong_path_is_no_empty_store(tmp_path: Path) -> None:
    """A command that does not create stores fails if the path is wrong, and prints the path."""
    result = CliRunner().invoke(cli, ["account", "list", "--store", f"sqlite:///{tmp_path}/typo/d.db"])
    assert result.exit_code == 6
    assert "does not exist" in result.output
    assert not list(tmp_path.iterdir())


def test_blocks_of_several_accounts_stand_in_one_file(tmp_path: Path) -> None:
    """AWS tools reject a credentials file with duplicate profiles, so each account has its own name."""
    store = ("--store", f"sqlite:///{tmp_path}/d.db")
    shown = [CliRunner().invoke(cli, ["account", "create", *store]).stdout for _ in range(2)]
    profiles = configparser.ConfigParser()
    profiles.read_string("\n".join(shown))
    assert len(profiles.sections()) == 6  # two parts and a services section each
