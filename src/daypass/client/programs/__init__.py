"""Other programs that are given credentials: a shell, a child process, a container job.

Owns the environment, the quoting and the local endpoint through which a program gets credentials.
Leaves getting the credentials to sessions/.
"""
