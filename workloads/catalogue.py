"""All workloads by name."""

from __future__ import annotations

from workloads.append import AppendWorkload
from workloads.base import Workload
from workloads.register import RegisterWorkload
from workloads.set import SetWorkload
from workloads.transactions import TransactionAppendWorkload, TransactionRegisterWorkload

WORKLOADS: dict[str, type[Workload]] = {
    workload.name: workload
    for workload in (
        RegisterWorkload,
        AppendWorkload,
        SetWorkload,
        TransactionAppendWorkload,
        TransactionRegisterWorkload,
    )
}
