"""What can go wrong between a person and their credentials, as one sentence that ends with the next step.

Owns the kinds; which exit code a kind has is cli/main.py's.
"""


class Problem(Exception):  # noqa: N818 - each name says what happened
    """Something that the person can understand and mend. Its text is one sentence or two."""


class BadUsage(Problem):
    """What was asked for cannot be."""


class SignInNeeded(Problem):
    """Nobody is signed in, or a code must be typed and nobody may be asked."""


class Refused(Problem):
    """STS said no."""


class Expired(Problem):
    """A token, an assertion, a code or a session is past its end, or was never valid."""


class Misconfigured(Problem):
    """A profile, a file or a setting is not as it must be."""


class NoAnswer(Problem):
    """The server or the identity provider cannot be reached."""


class BrowserEnded(Problem):
    """The browser was not used in time, or its person declined."""


class Locked(Problem):
    """Another process holds the lock, or a file may not be written."""
