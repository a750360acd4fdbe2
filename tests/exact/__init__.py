"""What the agent answers about one reading in which every field has a value of its own, to the letter.

A value that is wired to its neighbour, a unit that is forgotten and a field that is left out all show here.
Where an answer is meant to change: `python -m tests.exact` writes the files anew, and `git diff` shows what
clients will see.
"""
