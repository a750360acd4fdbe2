"""XID errors in `/metrics`."""

from __future__ import annotations

from dataclasses import replace

from agent.readings import XidCount
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
