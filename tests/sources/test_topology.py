"""How GPUs are connected, as far as the driver reports it."""

from __future__ import annotations

from agent.readings import Topology
from agent.simulation import NvmlReturn, Simulation
from agent.sources.topology import TopologySource

LEVEL = "nvmlDeviceGetTopologyCommonAncestor"


def test_every_pair_of_gpus_is_reported_and_read_once() -> None:
    with Simulation(5) as simulation:
        topology = TopologySource().read(5)

    assert topology == Topology(
        (
            (None, 10, 40, 40, 50),
            (10, None, 40, 40, 50),
            (40, 40, None, 10, 50),
            (40, 40, 10, None, 50),
            (50, 50, 50, 50, None),
        )
    )
    assert topology.is_complete
    assert simulation.calls[LEVEL] == 10


def test_a_lost_gpu_hides_only_its_own_connections() -> None:
    with Simulation(3) as simulation:
        simulation.gpus[1].lose()
        topology = TopologySource().read(3)

    assert topology.levels == ((None, None, 40), (None, None, None), (40, None, None))
    assert simulation.calls[LEVEL] == 1, "nothing is read of a GPU without a handle"
    assert not topology.is_complete


def test_a_driver_without_topology_is_no_fault() -> None:
    with Simulation(2) as simulation:
        simulation.fail(LEVEL, NvmlReturn.NOT_SUPPORTED)

        assert TopologySource().read(2).levels == ((None, None), (None, None))
