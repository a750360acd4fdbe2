"""Sources: besides the simulation the only folder that uses nvitop (NVML), and the only one that uses psutil.

A source is owned by one worker thread and returns readings. What the driver or the kernel does not report
becomes `None` here and nowhere else; a source that can read nothing raises SourceError with one sentence.
`nvml.py` calls the driver, `procfs.py` is the only reader of what processes can set themselves, and `gpu/`
has a file for each subject.
"""
