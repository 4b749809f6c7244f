"""The order in which roles are created.

Pure. A role in other roles' trust policies comes first. Roles in a cycle are created with a trust policy that denies
everyone, and get their own when all of them exist.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from daypass.apply.file.state import Thing
from daypass.arn import Arn
from daypass.directory.unresolved_principals import principals_of

NOBODY: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}],
}


def ordered(roles: Iterable[Thing]) -> list[tuple[Thing, bool]]:
    """Return the roles in the order of creation.

    The boolean says whether its trust policy must wait.
    """
    waiting = {role.arn: role for role in roles}
    names = {_session_prefix(role): arn for arn, role in waiting.items()}
    needs = {arn: _needs(role, waiting, names) - {arn} for arn, role in waiting.items()}
    loops = {arn for arn, role in waiting.items() if arn in _needs(role, waiting, names)}
    needed_by: dict[str, list[str]] = {}
    for arn, needed in needs.items():
        for one in needed:
            needed_by.setdefault(one, []).append(arn)
    ready = [arn for arn, needed in needs.items() if not needed]
    done: list[tuple[Thing, bool]] = []
    while ready:
        arn = ready.pop()
        done.append((waiting[arn], arn in loops))
        for other in needed_by.get(arn, ()):
            needs[other].discard(arn)
            if not needs[other]:
                ready.append(other)
    made = {role.key for role, _ in done}
    return done + [(role, True) for role in waiting.values() if role.key not in made]


def _needs(role: Thing, waiting: Mapping[str, Thing], names: Mapping[str, str]) -> set[str]:
    found = set()
    for kind, text in principals_of(role.value("trust")):
        if kind != "AWS" or text in role.unresolved:
            continue
        if text in waiting:
            found.add(text)
        arn = Arn.find(text)
        if arn is not None and arn.service == "sts" and arn.resource.startswith("assumed-role/"):
            named = names.get(f"{arn.account}/{arn.resource.split('/')[1]}")
            found |= {named} if named else set()
    return found


def _session_prefix(role: Thing) -> str:
    return f"{role.account}/{role.name}"
