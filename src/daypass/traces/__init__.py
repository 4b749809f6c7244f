"""OpenTelemetry traces: the spans of a request, and their export.

Owns the context that a caller sends, the times that a request notes, and the spans that are made of them. Only
`span_maker.py` and `span_export.py` use OpenTelemetry, and only in a process with the setting `traces`: the package
needs no other part of Daypass. Leaves the choice of the stages to traced_pipeline.py, and that of the requests to http/
and gateway/.
"""
