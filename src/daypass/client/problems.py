"""The errors of the client. Each message is a sentence or two that end with the next step.

Owns the exception classes; cli/main.py owns their exit codes.
"""


class Problem(Exception):  # noqa: N818 - each name says what happened
    """An error that the user can understand and correct. Its message is one sentence or two."""


class BadUsage(Problem):
    """The command line is not valid."""


class SignInNeeded(Problem):
    """A sign-in or a prompt is needed and not possible."""


class Refused(Problem):
    """STS or an identity provider refused the request."""


class Expired(Problem):
    """A token, an assertion, a code or a session has expired, or is not valid."""


class Misconfigured(Problem):
    """A profile, a file or a setting is not valid."""


class NoAnswer(Problem):
    """The server or the identity provider cannot be reached, or its response cannot be parsed."""


class BrowserEnded(Problem):
    """The sign-in in the browser was not completed in time, or was declined."""


class Locked(Problem):
    """Another process has the lock, or a file cannot be written."""
