"""Calls to IAM under measurement: three reads, and CreateUser.

Owns the administrator that makes them, an IAM user with an inline policy, and the users that are listed.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import count

from bench.subjects import SIDE, Keys, Stage, Subject, policy

VERSION = "2010-05-08"
_PEOPLE = 20
WRITERS = 8  # an account may have 12 calls that change data at a time
ROUND_OF_USERS = 550  # eight rounds stay below the quota of 5,000 users


def iam_reads(stage: Stage) -> Iterator[Subject]:
    """Yield GetRole, GetUser and ListUsers."""
    keys = administrator(stage)
    iam = stage.client("iam", stage.admin)
    for number in range(_PEOPLE):
        iam.create_user(UserName=f"person-{number}")
    read = _reader(stage, keys)
    yield read("get_role", b"<RoleName>bench<", {"Action": "GetRole", "RoleName": "bench"})
    yield read("get_user", b"<UserName>person-7<", {"Action": "GetUser", "UserName": "person-7"})
    yield read("list_users", b"<UserName>person-19<", {"Action": "ListUsers"})


def _reader(stage: Stage, keys: Keys) -> Callable[[str, bytes, dict[str, str]], Subject]:
    signer = stage.signer(keys, "iam")

    def subject(name: str, marker: bytes, parameters: dict[str, str]) -> Subject:
        asked = {**parameters, "Version": VERSION}

        def fresh(number: int) -> Iterable[bytes]:
            return (signer.sign(asked) for _ in range(number))

        return Subject(name, stage.server, (), marker, fresh=fresh, share=SIDE)

    return subject


def create_user(stage: Stage) -> Subject:
    """Return the subject that creates users, on a server of its own: they would be listed elsewhere."""
    signer, names = stage.signer(administrator(stage), "iam"), count()

    def fresh(number: int) -> Iterable[bytes]:
        asked = {"Action": "CreateUser", "Version": VERSION}
        return (signer.sign({**asked, "UserName": f"new-{next(names)}"}) for _ in range(number))

    return Subject(
        "create_user",
        stage.server,
        (),
        b"<UserName>new-",
        fresh=fresh,
        most=ROUND_OF_USERS,
        share=SIDE,
        connections=WRITERS,
    )


def administrator(stage: Stage) -> Keys:
    """Create the administrator, and return its key."""
    iam = stage.client("iam", stage.admin)
    iam.create_user(UserName="administrator")
    iam.put_user_policy(UserName="administrator", PolicyName="own", PolicyDocument=policy("iam:*"))
    key = iam.create_access_key(UserName="administrator")["AccessKey"]
    return Keys(key["AccessKeyId"], key["SecretAccessKey"])
