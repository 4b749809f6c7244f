"""The command line `daypass`.

Owns `main`, which finds a command and imports only that one.
Leaves the commands to people/ and operators/, one file a command, and the code that several commands
need to shared/. The work of the commands for people is done in daypass.client.
"""
