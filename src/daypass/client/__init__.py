"""The work of the commands for people: from a profile, a proof or a role to credentials.

Owns the values that everything here shares: credentials, the credential request, roles, durations,
problems, and the prompt.
Leaves sessions to sessions/, AWS's files to profiles/, proofs of identity to sign_in/, and other
programs to programs/. Imports no module of the server.
"""
