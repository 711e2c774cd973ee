"""The faults themselves, as data.

Each is a frozen, tagged struct: the tag is its name in scenarios, plans and reports, the fields its parameters. How it
is carried out is next to it in ``nemesis.actions``; when, and for how long, is the plan's business.
"""

from __future__ import annotations

import msgspec

from nemesis import grudges, targets


class FaultError(ValueError):
    """A fault that makes no sense as written; the message names the field."""


class Partition(msgspec.Struct, frozen=True, tag="partition", forbid_unknown_fields=True):
    """Cut links between nodes; clients still reach every node.

    Either a named ``shape`` (see ``nemesis.grudges``) or an explicit ``grudge``: for each node, those it does not hear.
    In the model: messages may be lost for as long as it lasts.
    """

    shape: str = "random-halves"
    grudge: dict[str, tuple[str, ...]] = {}

    def __post_init__(self) -> None:
        if not self.grudge and self.shape not in grudges.SHAPES:
            raise FaultError(f"partition: no shape {self.shape!r}; there are: {', '.join(grudges.SHAPES)}")


class _OnNodes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    target: str = "one"

    def __post_init__(self) -> None:
        if self.target not in targets.SYMBOLS and not self.target.replace("+", "").replace("-", "").isalnum():
            raise FaultError(f"target: {self.target!r} is neither of {', '.join(targets.SYMBOLS)} nor names of nodes")


class Kill(_OnNodes, frozen=True, tag="kill"):
    """SIGKILL the nodes; start them again at the end. What they had written is still there: the kernel has it.

    In the model: a crash and a recovery.
    """


class Pause(_OnNodes, frozen=True, tag="pause"):
    """SIGSTOP the nodes; SIGCONT at the end. Their clocks run on, like a long garbage collection.

    In the model: an asynchronous system has no bound on how slow a process may be.
    """


class Restart(_OnNodes, frozen=True, tag="restart"):
    """Stop the nodes in order (SIGTERM), and start each again at once. In the model."""


Fault = Partition | Kill | Pause | Restart

KINDS: dict[str, type[Fault]] = {"partition": Partition, "kill": Kill, "pause": Pause, "restart": Restart}
"""The faults by their names in scenarios."""


def kind(fault: Fault) -> str:
    """Return a fault's name in scenarios."""
    return str(fault.__struct_config__.tag)
