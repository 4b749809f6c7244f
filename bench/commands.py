"""What commands cost: `daypass --help`, and `daypass credential-process` with an answer from its cache.

Owns the person's machine: a home directory with a profile for a role. The figures are CPU times of the whole process,
because a shell or an SDK waits for it each time.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.servers import BenchError, Cores, clean_environment, daypass_program, pinned
from bench.subjects import Stage

_PROFILE = "bench"


def command_figures(cores: Cores, stage: Stage, home: Path, *, runs: int) -> list[Figure]:
    """Measure both commands on the server's core, which has no other work meanwhile."""
    environment = _person(stage, home)
    process = ("credential-process", "--profile", _PROFILE)
    _cpu_ms(process, environment)  # gets credentials from the server and keeps them
    with pinned(cores.server):
        return [
            Figure("help_cpu_ms", median(_cpu_ms(("--help",), environment) for _ in range(runs)), "ms CPU"),
            Figure("credential_process_cpu_ms", median(_cpu_ms(process, environment) for _ in range(runs)), "ms CPU"),
        ]


def _person(stage: Stage, home: Path) -> Mapping[str, str]:
    """Make a role and a person's profile for it, and return the environment of the person's programs."""
    iam = stage.client("iam", stage.admin)
    statement = f'{{"Effect":"Allow","Principal":{{"AWS":"{stage.caller_arn}"}},"Action":"sts:AssumeRole"}}'
    trust = f'{{"Version":"2012-10-17","Statement":[{statement}]}}'
    iam.create_role(RoleName="bench-command", AssumeRolePolicyDocument=trust)
    aws = home / ".aws"
    aws.mkdir(parents=True)
    endpoint = f"endpoint_url = http://127.0.0.1:{stage.server.port}"
    (aws / "config").write_text(f"[profile caller]\nregion = us-east-1\n{endpoint}\n")
    keys = f"aws_access_key_id = {stage.caller.key_id}\naws_secret_access_key = {stage.caller.secret}\n"
    credentials = aws / "credentials"
    credentials.touch(mode=0o600)
    credentials.write_text(f"[caller]\n{keys}")
    kept = {
        name: value for name, value in clean_environment().items() if not name.startswith(("AWS", "DAYPASS", "XDG"))
    }
    environment = {**kept, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
    add = ("profile", "add", _PROFILE, "--role", "bench-command", "--source-profile", "caller")
    _cpu_ms(add, environment)
    return environment


def _cpu_ms(words: Sequence[str], environment: Mapping[str, str]) -> float:
    """Run daypass and return the CPU time that it took. Raises BenchError if it fails."""
    process = subprocess.Popen(
        [daypass_program(), *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    output = b"" if process.stdout is None else process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout is not None:
        process.stdout.close()
    if process.returncode:
        raise BenchError(f"daypass {' '.join(words)}: {output.decode(errors='replace')}")
    return (usage.ru_utime + usage.ru_stime) * 1000
