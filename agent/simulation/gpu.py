"""One simulated GPU: its values, its processes and its faults."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from agent.simulation import fabric, gpu_values, load_curves, mig
from agent.simulation.call_faults import Faults
from agent.simulation.codes import NvmlFailure, NvmlReturn
from agent.simulation.error_counters import ErrorCounters
from agent.simulation.meter import Meter
from agent.simulation.processes import churned
from agent.simulation.reset import ANSWERED_UNTIL_RESET

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from agent.simulation.gpu_values import GpuValues
    from agent.simulation.mig import MigInstance
    from agent.simulation.models import GpuModel
    from agent.simulation.processes import SimulatedProcess

UPDATE_SECONDS = 0.1  # sensors and utilization are held this long, as real ones are
_FIXABLE = frozenset(field.name for field in fields(gpu_values.GpuValues))
# Values that follow another value unless they are fixed themselves.
_FOLLOWS = {
    "power_average": "power_usage",
    "power_instant": "power_usage",
    "enforced_power_limit": "power_limit",
    "sm_clock": "graphics_clock",
    "max_sm_clock": "max_graphics_clock",
    "ecc_pending": "ecc_mode",
}


class SimulatedGpu(Faults):
    """A GPU of a `Simulation`. `elapsed` gives the simulation's seconds since its start.

    `symbols`: the existing NVML functions, which can be made to hang, to fail or to be not supported.
    `residents`: the processes of a GPU without assigned ones.
    """

    def __init__(
        self,
        index: int,
        model: GpuModel,
        symbols: Container[str],
        elapsed: Callable[[], float],
        residents: Callable[[SimulatedGpu], list[SimulatedProcess]],
    ) -> None:
        super().__init__(symbols)
        self.index = index
        self.model = model
        self.churn: bool | Callable[[list[SimulatedProcess]], list[SimulatedProcess]] = False
        self.has_mig = bool(model.mig_profiles)
        self.mig_enabled = False
        # The mode after the next reset, or an NvmlReturn; None: the present one
        self.mig_pending: int | None = None
        self.mig_instances: list[MigInstance] = []
        self.forbidden_instances: set[int] = set()  # MIG indices of those whose processes may not be listed
        self.compute_mode = 0  # NVML_COMPUTEMODE_DEFAULT
        self.port_width: int | None = 16  # lanes of the port above it; None: /sys does not show it
        self.port_generation = model.pcie_generations[1] if model.pcie_generations else None  # of that port
        self.virtualization_mode = 0  # NVML_GPU_VIRTUALIZATION_MODE_NONE
        self.fans_stopped: set[int] = set()  # that stand still, whatever the others do
        self.nvlinks: list[SimulatedGpu | None] = [None] * model.nvswitch_links  # None: to a switch
        self.nvlinks_down: set[int] = set()
        self.nvlinks_listed = 0  # links that the driver reports; those beyond `nvlinks` as down
        # Of the kernel's runtime power management: "active" or "suspended"; None: the GPU never sleeps.
        self.runtime_status: str | None = None
        self.nvlink_packets = False  # the links count packets and bytes, as NVLink 5 does
        self.error_counters = ErrorCounters()
        self.fabric = fabric.healthy() if model.has_fabric else fabric.Fabric()
        self.xid_listeners: list[Callable[[SimulatedGpu, int], None]] = []
        self.kernel_log: Callable[[str], None] = lambda _: None  # where the driver writes a line
        self._elapsed = elapsed
        self._residents = residents
        self._present = True
        self._lost = False
        self._denied = False
        self._requires_reset = False
        self._unsupported: set[str | int] = set(model.unsupported)
        self._fixed: dict[str, Any] = {}  # Any: each value has the type of its field of GpuValues
        self._processes: list[SimulatedProcess] | None = None
        self._churn_turn = 0
        self._held: tuple[tuple[int, int], GpuValues] | None = None
        self._fixings = 0
        self.pcie_tx_bytes = Meter(
            lambda t: load_curves.pcie_bytes(model, index, t, load_curves.PCIE_TX_SHARE), elapsed
        )
        self.pcie_rx_bytes = Meter(
            lambda t: load_curves.pcie_bytes(model, index, t, load_curves.PCIE_RX_SHARE), elapsed
        )
        self.nvlink_tx_kib = Meter(lambda t: load_curves.nvlink_kib(index, t), elapsed)
        self.nvlink_rx_kib = Meter(lambda t: load_curves.nvlink_kib(index, t), elapsed)
        self.energy_mj = Meter(lambda t: load_curves.energy_mj(model, index, t), elapsed)

    def lose(self) -> None:
        """Fall off the bus: every call, the handle lookup included, gives GPU_IS_LOST."""
        self._log("NVRM: GPU {place}.0: GPU has fallen off the bus.")
        self._lost = True

    def restore(self) -> None:
        """Come back from being lost."""
        self._lost = False

    def vanish(self) -> None:
        """Disappear from the bus: lost for present handles, and not counted at the next first nvmlInit."""
        self._present = False
        self._lost = True

    def appear(self) -> None:
        """End `vanish`: answered by the next contact that counts it."""
        self._present = True
        self._lost = False

    @property
    def is_present(self) -> bool:
        """Whether it is on the bus."""
        return self._present

    def deny(self) -> None:
        """Every call, the handle lookup included, gives NO_PERMISSION."""
        self._denied = True

    @property
    def is_lost(self) -> bool:
        """Whether it fell off the bus."""
        return self._lost

    def permit(self) -> None:
        """End `deny`."""
        self._denied = False

    def require_reset(self) -> None:
        """Give RESET_REQUIRED to every call but those of `ANSWERED_UNTIL_RESET`."""
        self._requires_reset = True

    def reset(self) -> None:
        """End `require_reset`."""
        self._requires_reset = False
        self._log("nvidia {place}.0: reset done")

    def wake(self) -> None:
        """A call resumes it if it is suspended."""
        if self.runtime_status == "suspended":
            self.runtime_status = "active"

    def unsupport(self, *symbols: str | int) -> None:
        """Answer NOT_SUPPORTED to these NVML symbols, and to these field ids of nvmlDeviceGetFieldValues."""
        for symbol in symbols:
            if isinstance(symbol, str):
                self._check_symbol(symbol)
        self._unsupported.update(symbols)

    def support(self, *symbols: str | int) -> None:
        """End `unsupport`."""
        self._unsupported.difference_update(symbols)

    def supports(self, symbol: str | int) -> bool:
        """Whether this NVML symbol or field id is supported."""
        return symbol not in self._unsupported

    def fix(self, **values: float | str | tuple[int, ...] | None) -> None:
        """Hold values of `GpuValues` at exact numbers, in NVML's units; None makes one NOT_SUPPORTED.

        An NvmlReturn is what asking for the value returns. A value that follows a fixed one is fixed with it.
        Cumulative counters follow: a fixed `pcie_tx` is the rate of its byte counter from now on.
        Raises ValueError for a name that is no value.
        """
        unknown = sorted(values.keys() - _FIXABLE)
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)}: no such GPU value; accepted are {', '.join(sorted(_FIXABLE))}."
            )
        self._fixed = self._fixed | values
        self._follow_fixed_rates()

    def unfix(self, *names: str) -> None:
        """Let these values, or all of them, move again."""
        self._fixed = {name: value for name, value in self._fixed.items() if names and name not in names}
        self._follow_fixed_rates()

    @property
    def values(self) -> GpuValues:
        """The present values."""
        return self.now[1]

    @property
    def now(self) -> tuple[float, GpuValues]:
        """The present values, and their time in seconds of the simulation."""
        tick = int(self._elapsed() / UPDATE_SECONDS)
        moment = (tick, self._fixings)  # taken first: a `fix` meanwhile makes what is computed here stale
        held = self._held
        if held is None or held[0] != moment:
            held = self._held = (moment, self._values_at(tick * UPDATE_SECONDS))
        return held[0][0] * UPDATE_SECONDS, held[1]

    @property
    def processes(self) -> list[SimulatedProcess]:
        """The assigned processes; else those of the residents."""
        return self._residents(self) if self._processes is None else self._processes

    @processes.setter
    def processes(self, processes: list[SimulatedProcess]) -> None:
        self._processes = processes

    def processes_to_fill(self) -> list[SimulatedProcess]:
        """The list for a fill call: `processes`, or their change by `churn` since the size call."""
        processes = self.processes
        if callable(self.churn):
            return self.churn(processes)
        if not self.churn:
            return processes
        self._churn_turn += 1
        return churned(processes, self._churn_turn - 1)

    def enable_mig(self, *profiles: str) -> None:
        """Partition the GPU ("3g.40gb", "1g.10gb", ...). ValueError for an impossible partition."""
        values = self.values
        self.mig_instances = mig.partition(self.model, values.uuid, values.memory_total or 0, profiles)
        self.mig_enabled = True

    def mig_instance(self, mig_index: int) -> MigInstance | None:
        """The MIG instance with this index."""
        return next((one for one in self.mig_instances if one.mig_index == mig_index), None)

    def disable_mig(self) -> None:
        """Make it one GPU again."""
        self.mig_enabled = False
        self.mig_instances = []

    def raise_xid(self, code: int) -> None:
        """Report an XID error in the kernel log, and to registered event sets."""
        self._log("NVRM: GPU at PCI:{place}: {uuid}")
        self._log(f"NVRM: Xid (PCI:{{place}}): {code}, {self._blamed()}, simulated")
        for listener in list(self.xid_listeners):
            listener(self, code)

    def _blamed(self) -> str:
        """The program whose channel failed, as the driver names it."""
        first = next(iter(self.processes), None)
        return f"pid={first.pid}, name={first.comm}" if first else "pid='<unknown>', name=<unknown>"

    def _log(self, line: str) -> None:
        """`{place}` is where it is on the PCI bus, as the driver writes it, and `{uuid}` which one it is."""
        bus_id, uuid = self.values.bus_id, self.values.uuid
        if isinstance(bus_id, str) and isinstance(uuid, str):
            self.kernel_log(line.replace("{place}", bus_id[-12:-2].lower()).replace("{uuid}", uuid))

    def bridge(self, other: SimulatedGpu, links: int = 4) -> None:
        """Put an NVLink bridge over two GPUs; `links` of each then lead to the other, and none elsewhere."""
        self.nvlinks, other.nvlinks = [other] * links, [self] * links

    def raise_if_faulty(self, symbol: str, tick: Callable[[], None]) -> None:
        """Block while hung, then raise NvmlFailure for faults of `symbol` on this GPU."""
        self.block_while_hung(symbol, tick)
        if self._lost:
            raise NvmlFailure(NvmlReturn.GPU_IS_LOST)
        if self._denied:
            raise NvmlFailure(NvmlReturn.NO_PERMISSION)
        if self._requires_reset and symbol not in ANSWERED_UNTIL_RESET:
            raise NvmlFailure(NvmlReturn.RESET_REQUIRED)
        self.raise_if_failing(symbol)
        if symbol in self._unsupported:
            raise NvmlFailure(NvmlReturn.NOT_SUPPORTED)

    def _values_at(self, elapsed: float) -> GpuValues:
        values = gpu_values.values_at(self.model, self.index, elapsed)
        if not self._fixed:
            return values
        following = {name: self._fixed[leader] for name, leader in _FOLLOWS.items() if leader in self._fixed}
        if "temperature" in self._fixed:
            following["temperature_margin"] = gpu_values.margin_left(self.model, self._fixed["temperature"])
        values = replace(values, **(following | self._fixed))
        if "memory_used" not in self._fixed and None not in (values.memory_total, values.memory_used):
            # a smaller total was fixed: what moves still has to fit into it
            room = (values.memory_total or 0) - (values.memory_reserved or 0)
            values = replace(values, memory_used=min(values.memory_used or 0, room))
        if "memory_free" not in self._fixed:
            parts = values.memory_total, values.memory_reserved, values.memory_used
            values = replace(values, memory_free=gpu_values.memory_left(*parts))
        return values

    def _follow_fixed_rates(self) -> None:
        self._fixings += 1
        tx, rx, power = (
            None if isinstance(rate, NvmlReturn) else rate
            for rate in map(self._fixed.get, ("pcie_tx", "pcie_rx", "power_usage"))
        )
        self.pcie_tx_bytes.hold_rate(None if tx is None else tx * 1024)
        self.pcie_rx_bytes.hold_rate(None if rx is None else rx * 1024)
        self.energy_mj.hold_rate(power)  # mW = mJ/s
        self.nvlink_tx_kib.hold_rate(self._fixed.get("nvlink_tx"))
        self.nvlink_rx_kib.hold_rate(self._fixed.get("nvlink_rx"))
