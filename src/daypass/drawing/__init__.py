"""Drawings as SVG, for the command line and for the pages of operators.

Owns the layout of a layered graph and the picture of a trust graph.
Leaves the content of the graph to daypass.authorize. Pure: it opens no file and no store.
"""
