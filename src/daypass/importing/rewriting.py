"""Put one account's id in the place of another's, in every ARN of a document.

Pure. Owns where an account id stands: in the fifth part of an ARN, and alone as a whole principal or condition value.
"""

import re
from typing import Any


class Rewriting:
    """Writes documents anew. Where both ids are the same, nothing changes."""

    def __init__(self, old: str, new: str) -> None:
        self._old = old
        self._new = new
        self._arn = re.compile(rf"(\barn:[^:\s]*:[^:\s]*:[^:\s]*:){re.escape(old)}(?=:)")

    def rewrite(self, value: Any) -> Any:
        """Return a value with the new id. Keys of mappings stay as they are: no ARN stands there."""
        if isinstance(value, str):
            return self._new if value == self._old else self._arn.sub(rf"\g<1>{self._new}", value)
        if isinstance(value, list):
            return [self.rewrite(element) for element in value]
        if isinstance(value, dict):
            return {name: self.rewrite(member) for name, member in value.items()}
        return value
