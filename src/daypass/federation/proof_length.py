"""The length of a token or a SAML response, with STS's words.

The API checks the length of each parameter by AWS's model before an operation reads it. The inspectors and the pages of
sign-in get the same strings by other ways, and refuse them alike.
Source: STS API Reference, AssumeRoleWithSAML and AssumeRoleWithWebIdentity; lengths are counted in code points.
"""

from dataclasses import dataclass

from daypass.errors import ValidationError


@dataclass(frozen=True, slots=True)
class ProofLength:
    """The limits of one parameter, under its name in AWS's messages."""

    name: str
    least: int
    most: int

    def require(self, text: str) -> None:
        """Refuse a string that is too short or too long.

        Raises AWS's ValidationError.
        """
        if len(text) > self.most:
            raise self._refusal(text, f"less than or equal to {self.most}")
        if len(text) < self.least:
            raise self._refusal(text, f"greater than or equal to {self.least}")

    def _refusal(self, text: str, bound: str) -> ValidationError:
        # The value is a secret, so AWS's message does not quote it.
        return ValidationError(
            f"1 validation error detected: Value at '{self.name}' failed to satisfy constraint: "
            f"Member must have length {bound}",
            detail=f"the value has {len(text):,} characters",
        )


SAML_ASSERTION = ProofLength("sAMLAssertion", 4, 100_000)
WEB_IDENTITY_TOKEN = ProofLength("webIdentityToken", 4, 20_000)
