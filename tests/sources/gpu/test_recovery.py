"""The repairs that are pending for a GPU."""

from __future__ import annotations

import pytest

from agent.readings import RecoveryAction
from agent.simulation import NvmlReturn
from agent.simulation.codes import FieldId
from agent.simulation.error_counters import ErrorCounters
from tests.sources.one_gpu import one_gpu


@pytest.mark.parametrize(("channel", "tpc"), [(True, False), (False, True)])
def test_a_pending_repair_is_known_at_once_after_an_error(channel: bool, tpc: bool) -> None:
    with one_gpu() as one:
        before = one.read().recovery
        one.gpu.error_counters = ErrorCounters(
            channel_repair_pending=int(channel), tpc_repair_pending=int(tpc)
        )
        after = one.source.read_with_fresh_errors().recovery

    assert (before.channel_repair_pending, before.tpc_repair_pending) == (False, False)
    assert (after.channel_repair_pending, after.tpc_repair_pending) == (channel, tpc)


@pytest.mark.parametrize(
    ("every_action", "actions"),
    [
        (True, [*RecoveryAction]),
        (False, [RecoveryAction.NONE, RecoveryAction.GPU_RESET, RecoveryAction.DRAIN_AND_RESET]),
    ],
    ids=["since R570", "R550 and R560"],
)
def test_some_drivers_before_r570_report_resets_too(
    every_action: bool, actions: list[RecoveryAction]
) -> None:
    with one_gpu() as one:
        one.simulation.recovery_action = every_action
        for action in actions:
            one.gpu.error_counters = ErrorCounters(recovery_action=action)
            reading = one.read(after=60)

            assert reading.recovery.action == action
            assert "recovery.action" not in reading.unknown


@pytest.mark.parametrize(
    ("field", "code", "action"),
    [
        (FieldId.DRAIN_AND_RESET_STATUS, NvmlReturn.NOT_SUPPORTED, RecoveryAction.NONE),
        (FieldId.DRAIN_AND_RESET_STATUS, NvmlReturn.TIMEOUT, None),
        (FieldId.RESET_STATUS, NvmlReturn.NOT_SUPPORTED, None),
    ],
    ids=["a GeForce", "the second fails", "the first is missing"],
)
def test_no_action_is_reported_before_r570_only_where_both_are_known(
    field: FieldId, code: NvmlReturn, action: RecoveryAction | None
) -> None:
    with one_gpu() as one:
        one.simulation.recovery_action = False
        one.gpu.fail("nvmlDeviceGetFieldValues", code, entry=field)

        assert one.read().recovery.action == action


@pytest.mark.parametrize("generation", ["r535", "r470"])
def test_drivers_before_r550_report_no_action(generation: str) -> None:
    with one_gpu() as one:
        one.simulation.set_driver_generation(generation)
        one.gpu.error_counters = ErrorCounters(recovery_action=RecoveryAction.GPU_RESET)

        assert one.read().recovery.action is None
