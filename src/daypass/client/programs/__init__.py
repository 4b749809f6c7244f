"""Other programs that get credentials.

They are a shell, a child process or a container job.
Owns the environment, the quoting and the local endpoint through which a program gets credentials.
Leaves getting the credentials to sessions/.
"""
