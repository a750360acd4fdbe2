"""Endpoints, one file each: parameters in, view out.

A route whose answer depends on one Snapshot and its parameters alone takes `CurrentSnapshot`: its answer is
then made once for all clients who ask.
"""
