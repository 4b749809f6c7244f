"""The command line `daypass`.

Owns `main`, which finds a command and imports only that one.
Leaves the commands to people/ and operators/, one file each, their common code to shared/, and the work of the commands
for people to daypass.client.
"""
