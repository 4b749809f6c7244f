"""The errors of the client.

Each message is a sentence or two that end with the next step. cli/main.py owns the exit codes.
"""


class UserFacingError(Exception):
    """An error that the user can understand and correct."""


class BadUsageError(UserFacingError):
    """The command line is not valid."""


class SignInNeededError(UserFacingError):
    """A sign-in or a prompt is needed and not possible."""


class RefusedError(UserFacingError):
    """STS or an identity provider refused the request."""


class ExpiredError(UserFacingError):
    """A token, an assertion, a code or a session has expired, or is not valid."""


class MisconfiguredError(UserFacingError):
    """A profile, a file or a setting is not valid."""


class NoAnswerError(UserFacingError):
    """The server or the identity provider has not sent a valid response."""


class BrowserSignInError(UserFacingError):
    """The sign-in in the browser was not completed in time, or was declined."""


class LockedError(UserFacingError):
    """Another process has the lock, or a file cannot be written."""
