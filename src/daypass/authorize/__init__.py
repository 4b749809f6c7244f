"""Authorization: whether a caller may perform an operation, and why.

Owns the collection of the policies that apply, the request context, the limits of session types, and
the explanations and remedies for a denial.
Leaves the evaluation of policies to daypass.policy, and the permissions that a call needs to its operation.
"""
