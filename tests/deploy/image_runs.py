"""The container image as a process: its own first process, its own files read-only, its own user.

Owns the start of the unpacked image (.ci/image) by util-linux, as a container runtime does it. The network is that of
this machine, so that tests reach the server.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.components import find_image

# Mounts are private to `unshare`, and end with it.
_RUN = """
set -e
root=$1 data=$2 user=$3 workdir=$4
shift 4
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$data" "$root/var/lib/daypass"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for each in null urandom; do
    touch "$root/dev/$each"
    mount --bind "/dev/$each" "$root/dev/$each"
done
exec /usr/sbin/chroot --userspec="$user" "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
"""


class Image:
    """The unpacked image and its configuration."""

    def __init__(self) -> None:
        found = find_image()
        assert found is not None
        self.root = Path(found) / "root"
        self.config: dict[str, Any] = json.loads((Path(found) / "config.json").read_text(encoding="utf-8"))

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a process in the image."""
        return dict(each.split("=", 1) for each in self.config["Env"]) | dict(more)

    @contextmanager
    def running(self, data: Path, more: Mapping[str, str], *words: str) -> Iterator["subprocess.Popen[str]"]:
        """Run the entry point with words, or with the image's own, and kill it at the end."""
        command = [*self.config["Entrypoint"], *(words or self.config["Cmd"])]
        process = subprocess.Popen(
            self._words(data, command),
            env=self.environment(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=60)

    def run(self, data: Path, more: Mapping[str, str], *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command until it ends."""
        return subprocess.run(
            self._words(data, list(command)),
            env=self.environment(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    def _words(self, data: Path, command: list[str]) -> list[str]:
        config = self.config
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/bash", "-c", _RUN, "image"]
        return [*isolated, str(self.root), str(data), config["User"], config["WorkingDir"], *command]


def first_process(process: "subprocess.Popen[str]") -> int:
    """Return the id, on this machine, of the first process of a running image."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    return int(children[0])
