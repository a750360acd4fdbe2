"""XID errors in `/metrics`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.readings import XidCount, XidSource
from agent.readings.restored import KeptXid
from agent.sampling.restored_xids import with_restored
from tests.views.prometheus.test_prometheus import lines
from tests.views.samples import LOST, snapshot


def test_xids_have_a_count_and_a_last_time_by_code_also_on_a_lost_gpu() -> None:
    lost = replace(LOST, xids={79: XidCount(1, 1_760_000_000.5), 31: XidCount(4, 12.0)})

    assert [line.partition("xid=")[2] for line in lines(snapshot(lost), "xid_errors")] == [
        '"31"} 4.0',
        '"79"} 1.0',
    ]
    assert [line.partition("xid=")[2] for line in lines(snapshot(lost), "xid_last")] == [
        '"31"} 12.0',
        '"79"} 1.7600000005e+09',
    ]


@pytest.mark.parametrize("source", [XidSource.KERNEL_LOG, XidSource.BOTH])
def test_the_counter_does_not_fall_over_a_restart_if_the_kernel_log_has_lost_lines(source: XidSource) -> None:
    """The earlier run counted five; three of their lines are gone, and no error came since."""
    before = replace(LOST, xids={31: XidCount(5, 12.0, source)})
    kept = KeptXid(5, 12.0, XidSource.KERNEL_LOG)
    own = {31: XidCount(2, 12.0, source)}
    after = replace(LOST, xids=with_restored(own, {31: kept}, {31: 2}, 0.0, None))

    assert lines(snapshot(after), "xid_errors") == lines(snapshot(before), "xid_errors")


def test_the_counter_begins_at_0_after_a_restart_if_errors_are_known_from_events_alone() -> None:
    kept = with_restored({}, {31: KeptXid(5, 12.0, XidSource.NVML)}, {}, 0.0, None)

    (line,) = lines(snapshot(replace(LOST, xids=kept)), "xid_errors")
    assert line.endswith(" 0.0")
