"""AWS's messages for refused web identity tokens.

Owns the recorded messages, character for character: two spaces and missing full stops are AWS's.
Source: answers recorded from AWS STS, 2025 and 2026.
"""

NOT_A_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NOT_VALIDATED = (
    "The web identity token provided could not be validated. "
    "See the AssumeRoleWithWebIdentity documentation for requirements."
)
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)
NO_FITTING_KEY = "no published key, or more than one, fits the token's header"  # for the audit, beside NO_KEY
MISSING_CLAIM = "Missing a required claim: {name}"
BAD_TIMESTAMP = "Invalid timestamp in token claims."
ISSUED_IN_FUTURE = "Token issued in the future: {issued}"
NOT_YET_VALID = (
    "Token not yet valid: current date/time {latest} must be after or equal to the not-before date/time {not_before}"
)
EXPIRED = "Token expired: current date/time {earliest} must be before the expiration date/time {expires}"
SEVERAL_AUDIENCES = "Token audience contains more than one audience while authorized party is not present"
NO_PROVIDER = "No OpenIDConnect provider found in your account for {issuer}"
NOT_LOGIN_WITH_AMAZON = "Provided Token is not a Login With Amazon token"
ROLE_NOT_IN_CLAIM = "The target role ARN is not present in the roles claim of the identity token"
BAD_TAGS = "Unable to validate tags"
BAD_PRINCIPAL_TAGS = "principal_tags passed in claim is not in correct format"
WRONG_THUMBPRINT = "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"
UNREACHABLE = (
    "The identity provider that was asked to verify the incoming identity token could not be reached. "
    "This is often a transient error caused by network conditions. "
    "Retry the request a limited number of times."
)
