"""The metrics of a process, and their sum over the workers of a node.

Owns the table of all metrics, the readings of one process, and the memory in which workers share them.
Leaves Prometheus's text format to http/node_metrics.py, and each count to the part that it describes.
"""
