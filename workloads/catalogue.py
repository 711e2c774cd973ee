"""All workloads by name."""

from __future__ import annotations

from workloads.append import AppendWorkload
from workloads.bank import BankWorkload
from workloads.base import Workload
from workloads.counter import CounterWorkload
from workloads.long_fork import LongForkWorkload
from workloads.monotonic import MonotonicWorkload
from workloads.mutex import MutexWorkload
from workloads.queue import QueueWorkload
from workloads.register import RegisterWorkload
from workloads.set import SetWorkload
from workloads.transactions import TransactionAppendWorkload, TransactionRegisterWorkload
from workloads.unique_ids import UniqueIdsWorkload

WORKLOADS: dict[str, type[Workload]] = {
    workload.name: workload
    for workload in (
        RegisterWorkload,
        AppendWorkload,
        SetWorkload,
        CounterWorkload,
        BankWorkload,
        QueueWorkload,
        MutexWorkload,
        UniqueIdsWorkload,
        LongForkWorkload,
        MonotonicWorkload,
        TransactionAppendWorkload,
        TransactionRegisterWorkload,
    )
}
