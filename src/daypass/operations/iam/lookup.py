"""Find the things that IAM's actions name, in AWS's words where they are missing.

Owns the sentences of NoSuchEntity and EntityAlreadyExists.
Source: AWS's recorded answers.
"""

from typing import Any, TypeVar

from daypass.directory import records
from daypass.directory.entities import Entity, Group, ManagedPolicy, Role, User
from daypass.directory.identity import find_managed
from daypass.directory.store import Exists, Reader, Writer
from daypass.errors import EntityAlreadyExists, NoSuchEntity

N = TypeVar("N", User, Group, Role)

_NOUNS: dict[type[Entity], str] = {User: "user", Group: "group", Role: "role"}


def get_named(reader: Reader, type_: type[N], account: str, name: str) -> N:
    """Return the user, group or role of this name, or raise NoSuchEntity."""
    found = records.find(reader, type_, account, name)
    if found is None:
        raise NoSuchEntity(f"The {_NOUNS[type_]} with name {name} cannot be found.")
    return found


def get_policy(reader: Reader, arn: str) -> ManagedPolicy:
    """Return a managed policy, or raise NoSuchEntity."""
    found = find_managed(reader, arn)
    if found is None:
        raise NoSuchEntity(f"Policy {arn} was not found.")
    return found


def insert_named(writer: Writer, entity: Any, noun: str) -> None:
    """Store a new named thing, or raise EntityAlreadyExists."""
    try:
        records.insert(writer, entity)
    except Exists as taken:
        raise EntityAlreadyExists(f"{noun} with name {entity.name} already exists.") from taken


def path_of(reader: Reader, type_: type[N], account: str, name: str) -> str:
    """Return the path of a named thing for its ARN, `/` where there is none: the question comes before the answer."""
    found = records.find(reader, type_, account, name)
    return "/" if found is None else found.path
