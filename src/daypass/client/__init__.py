"""The work of the commands for people.

It gets credentials from a profile, a proof or a role.
Owns the values that all its modules share: credentials, the credential request, roles, durations, problems, and the
prompt.
Leaves sessions to sessions/, AWS's files to profiles/, proofs of identity to sign_in/, and other
programs to programs/. Imports no module of the server.
"""
