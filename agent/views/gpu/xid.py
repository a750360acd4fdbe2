"""The XID errors of one GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

from agent.derive.xid import Remedy, look_up, remedy
from agent.derive.xid_catalogue import PRODUCTS
from agent.readings import Belonging
from agent.views.units import iso_utc

if TYPE_CHECKING:
    from agent.readings import GpuSample, XidCount


class GpuXid(BaseModel):
    """One kind of XID error. NVML: nvmlEventSetWait_v2; with KERNEL_LOG the kernel log too."""

    code: int = Field(description="code of the XID error")
    meaning: str = Field(description="meaning of the XID by NVIDIA's catalogue")
    remedy: Remedy = Field(description="action that helps, by NVIDIA's catalogue")
    immediate_action: str | None = Field(
        description="immediate action of NVIDIA's catalogue, for example RESET_GPU; null: it names none"
    )
    investigatory_action: str | None = Field(
        description="investigatory action of NVIDIA's catalogue, if it comes back; null: it names none"
    )
    listed_for: list[str] = Field(
        description="products, each standing for its generation, for which NVIDIA's catalogue lists the XID"
    )
    times: int = Field(
        description="number of errors since the agent started; with KERNEL_LOG as far back as the kernel"
        " log reaches,"
        " where one fault can take several lines"
    )
    last_at: str = Field(description="when it was last reported, ISO 8601 UTC")
    source: Literal["nvml", "kernel_log", "both"] = Field(
        description="source of the XID; an XID from both counts once"
    )
    was_reset: bool = Field(
        description="whether the kernel log has a reset of the GPU after the last error; then it is no"
        " finding"
    )
    pid: int | None = Field(
        description="process that the driver blames for the last error in the kernel log, by its pid on"
        " the host;"
        " null: it names none"
    )
    process_name: str | None = Field(description="name of that process, from the kernel log")
    username: str | None = Field(
        description="user who owned the process; null: unknown, or the process was not seen on a GPU"
    )
    container_id: str | None = Field(description="id of its innermost container, by its cgroup")
    container_name: str | None = Field(description="name of its container or machine")
    pod_name: str | None = Field(description="name of its Kubernetes pod")
    pod_namespace: str | None = Field(description="namespace of its Kubernetes pod")


def xids_view(gpu: GpuSample) -> list[GpuXid] | None:
    """The wire shape of each code."""
    if gpu.xids is None:
        return None
    latest_first = sorted(gpu.xids.items(), key=lambda entry: -entry[1].last_at)
    return [_xid_view(code, seen, gpu.identity.compute_capability) for code, seen in latest_first]


def _xid_view(code: int, seen: XidCount, compute_capability: tuple[int, int] | None) -> GpuXid:
    row = look_up(code, compute_capability)
    blamed = seen.blamed
    belonging = (blamed.belonging if blamed else None) or Belonging()
    return GpuXid(
        code=code,
        meaning=row.meaning,
        remedy=remedy(code, row),
        immediate_action=row.immediate,
        investigatory_action=row.investigatory,
        listed_for=[product for product in PRODUCTS if product in row.listed_for],
        times=seen.times,
        last_at=iso_utc(seen.last_at),
        source=seen.source.value,
        was_reset=seen.was_reset,
        pid=blamed.pid if blamed else None,
        process_name=blamed.name if blamed else None,
        username=blamed.username if blamed else None,
        container_id=belonging.container_id,
        container_name=belonging.container_name,
        pod_name=belonging.pod_name,
        pod_namespace=belonging.pod_namespace,
    )
