"""How often an expensive value is read: seconds between two reads.

Reported costs on real drivers: a process list 2 to 10 ms, a fan 0.14 ms (MangoHud#2104); at one sample a
second the rest stays below that.
"""

from __future__ import annotations

PROCESS_PACE = 2.0
SLOW_PACE = 5.0
DETAIL_PACE = 10.0  # what only those see who look closely at one GPU
COUNTERS_PACE = 10.0  # what they count is not lost between two reads; 4 ms on an H100
SETTINGS_PACE = 30.0  # what an administrator sets
ERRORS_PACE = 30.0  # a dozen calls, some of which read the GPU's InfoROM
NVLINK_FACTS_PACE = 60.0  # what hardly changes about a link; six calls for each
FIXED_PACE = 300.0  # it does not change, but a call may have failed in passing
UNWATCHED_PACE = 60.0  # while nobody looks: of what is kept for verdicts over some time
INFOROM_PACE = 3600.0  # it reads flash memory: 70 ms on an H100
