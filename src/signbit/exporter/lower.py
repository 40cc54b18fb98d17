"""Pass 3, lower: from actions to the graph of a file; what is pending becomes thresholds where bits are wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from signbit.alphabet import Alphabet
from signbit.errors import ExportError
from signbit.exporter.emit import Emitter
from signbit.exporter.folding import Folded
from signbit.exporter.record import Action
from signbit.exporter.symbol import Symbol
from signbit.exporter.trace import located
from signbit.format import Graph, RuleError


@dataclass(frozen=True)
class Lowered:
    """A graph, and what became of every module's work (path -> fates in order)."""

    graph: Graph
    fates: Mapping[str, list[str]]

    def lines(self) -> list[str]:
        """One line a node."""
        return graph_lines(self.graph)


def lower(folded: Folded, metadata: Mapping[str, Any] | None = None) -> Lowered:
    """The nodes of every action, each piece of pending work once.

    Parameters
    ----------
    metadata : what to store about the network; see docs/format.md.

    Errors
    ------
    ExportError : an operation breaks a rule of the file, or a folded number does not fit float32.
    """
    driver = _Driver(folded)
    for action in folded.actions:
        with located(action.call):
            driver.emit(action)
    try:
        graph = driver.emitter.builder.graph(driver.numbers(folded.output), metadata)
    except RuleError as error:
        raise ExportError(f"the output cannot be stored in a .sbn file: {error}") from error
    return Lowered(graph, driver.emitter.fates)


class _Driver:
    """Gives the actions to an emitter, whose symbols stand on values of the graph."""

    def __init__(self, folded: Folded) -> None:
        self.emitter = Emitter()
        self.emitter.fates.update({path: list(told) for path, told in folded.fates.items()})
        self._values = [self.emitter.builder.input(folded.image_shape)]
        self._as_numbers: dict[int, list[Symbol]] = defaultdict(list)
        """What is wanted as numbers of each result: made before its thresholds, which can then start there."""
        for x in (*(x for a in folded.actions if a.alphabet is None for x in a.inputs), folded.output):
            self._as_numbers[x.base].append(x)

    def emit(self, action: Action) -> None:
        """Add the node of an action, after what it reads."""
        name, alphabet = action.call.where, action.alphabet
        try:
            if alphabet is None:
                inputs = [self.numbers(x) for x in action.inputs]
            else:
                inputs = [self._bits(x, alphabet, f"{name}.input_pipeline") for x in action.inputs]
            value = self.emitter.builder.node(
                action.op, *inputs, attributes=action.attributes, scalars=action.scalars, blobs=action.blobs,
                name=name, note=action.note,
            )  # fmt: skip
        except RuleError as error:
            raise ExportError(f"cannot be stored in a .sbn file: {error}") from error
        self._values.append(value)

    def numbers(self, x: Symbol) -> int:
        """The value that holds ``x``."""
        return self.emitter.real(replace(x, base=self._values[x.base]))

    def _bits(self, x: Symbol, alphabet: Alphabet, name: str) -> int:
        for other in self._as_numbers.pop(x.base, ()):
            self.numbers(other)
        return self.emitter.bits(replace(x, base=self._values[x.base]), alphabet, name)


def graph_lines(graph: Graph) -> list[str]:
    """A graph for people, one line a value."""
    rows = []
    producers = {node.output: node for node in graph.nodes}
    for index, value in enumerate(graph.values):
        kind = value.dtype.name.lower() if value.alphabet is None else value.alphabet.name.lower()
        shape = "x".join(map(str, value.shape))
        node = producers.get(index)
        made = "the images" if node is None else f"{node.op}({', '.join(f'%{source}' for source in node.inputs)})"
        told = "" if node is None else f"  [{node.name}] {node.note}"
        rows.append(f"%{index} = {made} -> {shape} {kind}{told}")
    return [*rows, f"output: %{graph.output}"]
