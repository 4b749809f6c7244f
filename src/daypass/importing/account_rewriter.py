"""Replace one account's id by another in every ARN of a document.

Pure. Owns the positions of an account id: the fifth part of an ARN, and a whole principal or condition value.
"""

import re
from typing import Any


class AccountRewriter:
    """Rewrite documents. If both ids are equal, documents stay unchanged."""

    def __init__(self, old: str, new: str) -> None:
        self._old = old
        self._new = new
        self._arn = re.compile(rf"(\barn:[^:\s]*:[^:\s]*:[^:\s]*:){re.escape(old)}(?=:)")

    def rewrite(self, value: Any) -> Any:
        """Return a value with the new id.

        Keys of mappings stay unchanged: they do not contain ARNs.
        """
        if isinstance(value, str):
            return self._new if value == self._old else self._arn.sub(rf"\g<1>{self._new}", value)
        if isinstance(value, list):
            return [self.rewrite(element) for element in value]
        if isinstance(value, dict):
            return {name: self.rewrite(member) for name, member in value.items()}
        return value
