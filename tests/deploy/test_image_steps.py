"""`.ci/image-steps`, which builds the container image in a chroot where buildah does not work."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.image_runs import Image

_ROOT = Path(__file__).parents[2]
_SCRIPT: dict[str, Any] = runpy.run_path(str(_ROOT / ".ci/image-steps"))
_TEXT = (_ROOT / "packaging/container/Containerfile").read_text(encoding="utf-8")


def _configuration(text: str) -> dict[str, Any]:
    arguments = {"BASE": "localhost/base", "VERSION": "0.0.1"}
    config: dict[str, Any] = _SCRIPT["build"](text, arguments, _ROOT, Path("build"), runs=False).config
    return config


def test_the_configuration_is_that_of_the_containerfile() -> None:
    """Every instruction is understood: a runtime gets the same user, entry point, check and labels."""
    config = _configuration(_TEXT)
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == (
        "10001:10001",
        "/var/lib/daypass",
        "SIGTERM",
    )
    assert (config["Entrypoint"], config["Cmd"]) == (["daypass"], ["serve", "--host", "0.0.0.0"])  # noqa: S104 - as the image does
    assert config["Healthcheck"] == {
        "Test": ["CMD", "/opt/daypass/bin/python3", "-I", "/opt/daypass/health_check.py"],
        "Interval": 10_000_000_000,
        "Timeout": 5_000_000_000,
        "StartPeriod": 30_000_000_000,
        "Retries": 3,
    }
    assert config["Labels"]["org.opencontainers.image.version"] == "0.0.1"
    assert config["Labels"]["org.opencontainers.image.revision"] == "unknown"


@pytest.mark.slow
@pytest.mark.component("buildah")
def test_the_configuration_is_that_of_buildah() -> None:
    """Both ways to build give one configuration, apart from the label of buildah itself."""
    config, built = _configuration(_TEXT), Image().config
    built["Labels"].pop("io.buildah.version", None)
    assert {name: built[name] for name in config} == config


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("ONBUILD RUN true", "ONBUILD"),
        ('HEALTHCHECK --interval=1s --timeout=1s --start-period=1s --retries=1 --new=1 CMD ["true"]', "new"),
    ],
)
def test_an_unknown_instruction_is_refused(line: str, named: str) -> None:
    """A step that the script cannot run never disappears from the image."""
    with pytest.raises(SystemExit, match=named):
        _configuration(f"{_TEXT}\n{line}\n")


def test_an_unknown_option_of_copy_is_refused(tmp_path: Path) -> None:
    """The script would ignore `--chown`, so it refuses it by name."""
    stage = _SCRIPT["Stage"](tmp_path)
    with pytest.raises(SystemExit, match="--chown"):
        _SCRIPT["copy"](stage, "--chown=1:1 LICENSE ./", _ROOT, {})


def test_files_are_copied_as_a_build_does(tmp_path: Path) -> None:
    """A directory gives its contents, several files go into a directory, and an earlier stage is a source too."""
    first, second = _SCRIPT["Stage"](tmp_path / "1"), _SCRIPT["Stage"](tmp_path / "2")
    first.config["WorkingDir"] = "/build"
    _SCRIPT["copy"](first, "packaging/container packaging", _ROOT, {})
    _SCRIPT["copy"](first, "LICENSE .ci/build-constraints.txt ./", _ROOT, {})
    _SCRIPT["copy"](second, "--from=build /build /opt/daypass", _ROOT, {"build": first})
    found = {path.name for path in (tmp_path / "2/opt/daypass").iterdir()}
    assert found == {"packaging", "LICENSE", "build-constraints.txt"}
    copied = tmp_path / "2/opt/daypass/packaging/prune.py"
    assert copied.read_bytes() == (_ROOT / "packaging/container/prune.py").read_bytes()
