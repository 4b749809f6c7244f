"""The pages on which a signed-in person approves a program.

Owns what the pages show and the click that approves: a browser that is signed in is never redirected to a program
without it. Programs say themselves what they are, so pages mark their names as a claim. Each form is bound to the
browser session. Leaves codes and tokens to sign_in/, and the protocols of the programs to sso/.
"""
