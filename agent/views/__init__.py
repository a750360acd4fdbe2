"""The JSON of the answers: a Snapshot in, typed JSON out; each field has a description and a unit.

A file for each endpoint. `gpu/` is the object of `/gpu`, with a file for each subject, and `prometheus/`
the families of `/metrics`. Values are rounded and scaled here; `"N/A"` is only in `status.py`.
"""
