"""Reading: with the simulation, the only room that knows nvitop (NVML), and the only one that knows psutil.

A source is owned by one worker thread and returns readings. What the driver or the kernel does not report
becomes `None` here and nowhere else; a source that can read nothing raises SourceError with one sentence.
`nvml.py` is the way to the driver, `procfs.py` the only reader of what processes say of themselves, and
`gpu/` has a file for each subject.
"""
