"""`python -m tests.support.hung_agent SYMBOL ARGUMENTS`: the agent on a driver whose SYMBOL hangs on GPU 0.

SYMBOL may be `nothing`, or `everything` for every call of the driver.

Only a separate process can show how the agent ends while a driver call never returns.
"""

from __future__ import annotations

import sys

import main
from agent.simulation import Simulation

if __name__ == "__main__":
    simulation = Simulation(gpus=4).install()
    symbol = sys.argv[1]
    if symbol.startswith("nvmlDevice"):
        simulation.gpus[0].hang(symbol)
    elif symbol == "everything":
        simulation.hang()
    elif symbol != "nothing":
        simulation.hang(symbol)
    main.run(sys.argv[2:])
