"""The exact text of every answer to one reading in which each field has a value of its own.

A swapped value, a forgotten unit and a missing field all show here.
If an answer is meant to change: `python -m tests.exact` writes the files again, and `git diff` shows what
clients will see.
"""
