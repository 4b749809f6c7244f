"""Bytes to values and back: the AWS Query protocol, its shapes, XML, JSON, faults and limits."""
