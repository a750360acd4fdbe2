"""Wire shapes: a Snapshot in, typed JSON out; each field has its description and its unit.

A file for each endpoint. `gpu/` is the object of `/gpu`, with a file for each subject, and `prometheus/`
the families of `/metrics`. Values are rounded and scaled here; `"N/A"` exists in `status.py` alone.
"""
