"""Keys that a person has put into the environment or a file.

Owns the table of the faults that spoil them. Pure. Messages name the variable, or the file and the profile, and never
quote a value.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from daypass.client.credentials import Credentials, instant
from daypass.client.profiles.aws_files import Places
from daypass.client.profiles.profiles import Profiles

UNSET = 'Remove them with eval "$(daypass env --unset)", then get new ones.'
# The names of botocore for these sources.
ENVIRONMENT, CREDENTIALS_FILE, CONFIG_FILE = "env", "shared-credentials-file", "config-file"
_VARIABLES = (("AWS_ACCESS_KEY_ID",), ("AWS_SECRET_ACCESS_KEY",), ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"))
_OPTIONS = (("aws_access_key_id",), ("aws_secret_access_key",), ("aws_security_token", "aws_session_token"))
_EXPIRY = "AWS_CREDENTIAL_EXPIRATION"
_LONGEST = (128, 512, 16_384)
_KEY_ID = re.compile(r"[A-Za-z0-9_]{4,128}")
_LOOKS_LIKE_ID = re.compile(r"A(?:KIA|SIA)[A-Z0-9]{12,}")


@dataclass(frozen=True, slots=True)
class KeyFault:
    """What is wrong with keys, and what to do.

    `source` is the name of botocore for where they are.
    """

    source: str
    words: str
    remedy: str
    has_expired: bool = False


@dataclass(frozen=True, slots=True)
class _Written:
    """Key ID, secret and token, each with its name. A value that is not there is None."""

    source: str
    names: tuple[str, str, str]
    values: tuple[str | None, str | None, str | None]
    remedy: str


def environment_keys(environment: Mapping[str, str]) -> Credentials | None:
    """Return the keys of the environment, or None.

    They are not verified: `find_key_faults` returns their faults.
    """
    if not environment.get("AWS_ACCESS_KEY_ID"):
        return None
    found = _read(environment, _VARIABLES)
    end = _parsed_time(environment.get(_EXPIRY, ""))
    return Credentials(*(value or "" for value in found[1]), expires=end)  # type: ignore[arg-type, misc] # three texts


def find_key_faults(
    environment: Mapping[str, str], profiles: Profiles, profile: str, *, now: datetime
) -> list[KeyFault]:
    """Return the faults of the keys in the environment and in a profile.

    Keys of the environment count unless the person named a profile. `profile` is the one at hand, or the named one.
    """
    return list(_faults(environment, profiles, profile, now))


def _faults(environment: Mapping[str, str], profiles: Profiles, profile: str, now: datetime) -> Iterator[KeyFault]:
    if environment.get("AWS_ACCESS_KEY_ID"):
        names, values = _read(environment, _VARIABLES)
        yield from _of_keys(_Written(ENVIRONMENT, names, values, "Set it again, or unset it."))
        yield from _of_expiry(environment.get(_EXPIRY, ""), now)
    found = profiles.by_name.get(profile)
    if found is None:
        return
    places = Places.of(environment)
    for source, path, options in (
        (CREDENTIALS_FILE, places.credentials, found.credentials),
        (CONFIG_FILE, places.config, found.config),
    ):
        if any(name in options for (name,) in _OPTIONS[:2]):
            yield from _of_keys(_of_file(source, path, found.name, options))
            return  # The credentials file overrides the config file.


def _of_file(source: str, path: Path, profile: str, options: Mapping[str, str]) -> _Written:
    names, values = _read(options, _OPTIONS)
    place = f"of profile {profile!r} in {path}"
    shown = (f"{names[0]} {place}", f"{names[1]} {place}", f"{names[2]} {place}")
    return _Written(source, shown, values, "Correct it with an editor.")


def _read(
    found: Mapping[str, str], table: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, str, str], tuple[str | None, str | None, str | None]]:
    names = [next((name for name in each if found.get(name)), each[-1]) for each in table]
    values = [found.get(name) for name in names]
    return (names[0], names[1], names[2]), (values[0], values[1], values[2] or None)


def _of_keys(keys: _Written) -> Iterator[KeyFault]:
    key_id, secret, _ = keys.values
    if secret is not None and _LOOKS_LIKE_ID.fullmatch(secret):
        words = f"{keys.names[0]} and the secret access key are exchanged: the secret key looks like a key ID."
        yield KeyFault(keys.source, words, "Exchange the two values.")
        return
    for position, (name, value) in enumerate(zip(keys.names, keys.values, strict=True)):
        is_token = position == 2  # noqa: PLR2004 - key ID, secret, token
        if value is None and is_token:
            continue
        fault = "is not set" if value is None else _find_fault(value, _LONGEST[position])
        if not fault and position == 0 and not _KEY_ID.fullmatch(key_id or ""):
            fault = "is not a valid access key ID"
        if fault:
            yield KeyFault(keys.source, f"{name} {fault}.", keys.remedy)


def _find_fault(value: str, longest: int) -> str:
    return next((words for matches, words in _SPOILED if matches(value)), "") or _odd_character(value, longest)


# Test of a value -> the fault, by priority.
_SPOILED: tuple[tuple[Callable[[str], object], str], ...] = (
    (lambda value: not value.strip(), "is empty"),
    (lambda value: value.rstrip(" \t").endswith(("\r", "\n")), "ends with a line break"),
    (
        re.compile(r"(['\"\u2018-\u201f\u00ab\u00bb`]).*|.*(['\"\u2018-\u201f`])", re.DOTALL).fullmatch,
        "has quotation marks",
    ),
    (re.compile(r"\s*\S+\s+[#;].*", re.DOTALL).fullmatch, "has a comment behind the value"),
    (lambda value: value != value.strip(" \t"), "begins or ends with a space"),
    (
        re.compile(r"\s*\w*(?i:access_key|session_token|accesskeyid)\w*\s*[=:].*", re.DOTALL).fullmatch,
        "has a name in front of the value",
    ),
)


def _odd_character(value: str, longest: int) -> str:
    odd = next((each for each in value if not "!" <= each <= "~"), "")
    if odd == " ":
        return "has a space in it"
    if "\ud800" <= odd <= "\udfff":
        return "has a byte that is not UTF-8"
    if odd:
        return f"has the character U+{ord(odd):04X}, which is not part of a key"
    return f"has {len(value)} characters, which is too long" if len(value) > longest else ""


def _of_expiry(text: str, now: datetime) -> Iterator[KeyFault]:
    if not text:
        return
    end = _parsed_time(text)
    if end is None:
        words = f"{_EXPIRY} is not a valid time, so the credentials in the environment count as expired."
        yield KeyFault(ENVIRONMENT, words, UNSET, has_expired=True)
    elif end <= now:
        words = f"The credentials in the environment expired at {instant(end)} ({_EXPIRY})."
        yield KeyFault(ENVIRONMENT, words, UNSET, has_expired=True)


def _parsed_time(text: str) -> datetime | None:
    try:
        end = datetime.fromisoformat(text.strip())
        return (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
