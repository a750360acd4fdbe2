"""The agent as started by its command line, on a simulated driver that it treats as a real one."""

from __future__ import annotations

import main
from benchmarks.programs import simulated

if __name__ == "__main__":
    given, arguments = simulated.options().parse_known_args()
    simulated.answer_for_ever(simulated.install(given))
    main.run(arguments)
