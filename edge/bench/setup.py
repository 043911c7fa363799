"""What the benches measure: the parts of the product as `sonocart run` puts them together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from edge.contract.bundle import Bundle
from edge.engines.base import Engine
from edge.engines.choose import open_engine
from edge.engines.process import EngineProcess


@dataclass(frozen=True, slots=True)
class Setup:
    """A network and how it is run.

    Attributes:
        bundle: verified.
        precision: of the engine.
        threads: for ONNX Runtime.
        spin: wait busily.
    """

    bundle: Bundle
    precision: str
    threads: int
    spin: bool = False

    def open_engine(self) -> Engine:
        """The engine alone, in this process: the floor's."""
        return open_engine(self.bundle, self.precision, threads=self.threads, spin=self.spin)

    def start_engine(self) -> Engine:
        """The engine as it ships: in a process of its own."""
        return EngineProcess(
            partial(open_engine, self.bundle, self.precision, threads=self.threads, spin=self.spin)
        )
