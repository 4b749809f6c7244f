"""The commands about policies: explain, graph and lint.

Owns their arguments, and the pages and lines that they print. Leaves the explanation to daypass.policy, and the drawing
to daypass.drawing.
"""
