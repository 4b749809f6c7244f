"""A password policy in a file.

Pure. Owns the names of its fields. It is set as a whole: omitted fields get AWS's default.
"""

from collections.abc import Mapping
from typing import Any

from daypass.directory.entities.iam_entities import PasswordPolicy

# Field of the file -> field of the store, in the order of AWS's documentation.
_FIELDS: Mapping[str, str] = {
    "minimumPasswordLength": "minimum_length",
    "requireSymbols": "require_symbols",
    "requireNumbers": "require_numbers",
    "requireUppercaseCharacters": "require_uppercase",
    "requireLowercaseCharacters": "require_lowercase",
    "allowUsersToChangePassword": "allow_change",
    "maxPasswordAge": "max_age_days",
    "passwordReusePrevention": "reuse_prevention",
    "hardExpiry": "hard_expiry",
}
_DEFAULTS: Mapping[str, Any] = {
    "minimumPasswordLength": 6,
    **dict.fromkeys([*_FIELDS][1:6], False),
}


def wanted_policy(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the password policy of a file's fields."""
    return {name: value for name in _FIELDS if (value := given.get(name, _DEFAULTS.get(name))) is not None}


def stored_policy(policy: PasswordPolicy | None) -> dict[str, Any] | None:
    """Return a stored password policy in the form of a file."""
    if policy is None:
        return None
    values = {name: getattr(policy, field) for name, field in _FIELDS.items()}
    return {name: value for name, value in values.items() if value is not None}
