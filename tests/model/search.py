"""Breadth first through every state of the model; the shortest way to whatever is wrong.

Called by `exactly_once.py` and its tests. Promises: every state within the budget is visited once;
a counterexample is as short as any; "no dead end" is decided on the whole graph, by walking back
from the states in which everything is decided along steps that are no faults.
"""

from array import array
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeVar

from tests.model.state import Broken, Label, Rules, State, initial, is_decided, is_fault
from tests.model.transitions import steps

_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True)
class Found:
    """A promise that does not hold, and the shortest way there."""

    promise: str
    text: str
    path: tuple[Label, ...]


@dataclass(frozen=True)
class Report:
    """What was explored. `found` is None when every promise holds."""

    states: int
    transitions: int
    depth: int
    decided: int  # states in which the client knows every outcome
    found: Found | None


class Graph:
    """The states found so far, each with the step it was found by."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._numbers: dict[State, int] = {}
        self._states: list[State] = []
        self._parents = array("q")
        self._labels: list[Label] = []
        self._interned: dict[object, object] = {}
        self._sources = array("q")  # steps that are no faults, for the way back
        self._targets = array("q")
        self._decided: list[int] = []
        self.transitions = 0
        self._add(initial(rules), -1, ())

    def _intern(self, value: _T) -> _T:
        """One object for equal parts: most states differ in one part only."""
        return self._interned.setdefault(value, value)  # type: ignore[return-value]

    def _add(self, state: State, parent: int, label: Label) -> int:
        number = self._numbers.get(state, -1)
        if number < 0:
            intern = self._intern
            client, engine, (first, second), pipes, ghosts, budget = state
            state = State(
                intern(client), intern(engine), (intern(first), intern(second)),
                intern(pipes), intern(ghosts), budget,
            )  # fmt: skip
            number = len(self._states)
            self._numbers[state] = number
            self._states.append(state)
            self._parents.append(parent)
            self._labels.append(self._intern(label))
            if is_decided(self._rules, state.client):
                self._decided.append(number)
        return number

    def path(self, number: int) -> tuple[Label, ...]:
        """The steps to a state, first one first."""
        labels: list[Label] = []
        while self._parents[number] >= 0:
            labels.append(self._labels[number])
            number = self._parents[number]
        return tuple(reversed(labels))

    @property
    def states(self) -> tuple[State, ...]:
        """Every state found so far, nearest first."""
        return tuple(self._states)

    def explore(self, states_max: int) -> Report:
        """All of it. Raises: RuntimeError beyond `states_max` states."""
        number = depth = 0
        level_end = 1
        while number < len(self._states):
            if number == level_end:
                depth += 1
                level_end = len(self._states)
            try:
                self._expand(number)
            except Broken as broken:
                path = (*self.path(number), broken.label)
                return self._report(depth + 1, Found(broken.promise, str(broken), path))
            number += 1
            if len(self._states) > states_max:
                raise RuntimeError(f"more than {states_max} states at depth {depth}")
        return self._report(depth, self._dead_end())

    def _expand(self, number: int) -> None:
        for label, state in steps(self._rules, self._states[number]):
            self.transitions += 1
            target = self._add(state, number, label)
            if not is_fault(label) and target != number:
                self._sources.append(number)
                self._targets.append(target)

    def _dead_end(self) -> Found | None:
        """The first state from which, without further faults, nothing leads to the end."""
        incoming: list[list[int]] = [[] for _ in self._states]
        for source, target in zip(self._sources, self._targets, strict=True):
            incoming[target].append(source)
        is_good = bytearray(len(self._states))
        waiting = list(self._decided)
        for number in waiting:
            is_good[number] = 1
        while waiting:
            for source in incoming[waiting.pop()]:
                if not is_good[source]:
                    is_good[source] = 1
                    waiting.append(source)
        dead = is_good.find(0)
        if dead < 0:
            return None
        return Found(
            "decided", "nothing that is no fault leads from here to the end", self.path(dead)
        )

    def _report(self, depth: int, found: Found | None) -> Report:
        return Report(len(self._states), self.transitions, depth, len(self._decided), found)


def explore(rules: Rules, states_max: int = 5_000_000) -> Report:
    """Every state of the model under these rules."""
    return Graph(rules).explore(states_max)
