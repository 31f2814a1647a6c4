"""Walks through the model that the product follows step by step.

Called by the tests. Two ways of choosing: `cover` takes every step of the whole graph at least
once, for small budgets; `wander` goes at random through a graph too large for that. Deterministic
in the given random source.
"""

from collections import Counter, deque
from collections.abc import Callable
from random import Random

from tests.model.mirror import Mirror
from tests.model.state import Label, Rules, State, Step, initial, is_fault
from tests.model.transitions import steps

FAULT_SHARE = 0.25  # how often a fault is taken where one may be
LONGEST = 100

Tree = dict[State, tuple[State, Step] | None]


class Walker:
    """Walks the unreduced model, with the product beside it."""

    def __init__(self, rules: Rules, rng: Random) -> None:
        self._rules = rules
        self._rng = rng
        self._steps: dict[State, list[Step]] = {}
        self._walked: set[tuple[State, Label]] = set()
        self.counts: Counter[str] = Counter()  # steps walked, by their label's first word

    @property
    def walked(self) -> int:
        """Different steps walked so far."""
        return len(self._walked)

    def _next(self, state: State) -> list[Step]:
        found = self._steps.get(state)
        if found is None:
            found = self._steps[state] = list(steps(self._rules, state))
        return found

    def cover(self) -> None:
        """Walk until no step of the graph is left out; the far ones first, the near ones with
        them.
        """
        tree = self._tree()
        for state in reversed(list(tree)):
            while self._new_step(state):
                self._walk(_way(tree, state), self._new_step)

    def wander(self, walks: int) -> None:
        """So many random walks."""
        for _ in range(walks):
            self._walk([], self._random_step)

    def _walk(self, path: list[Step], choose: Callable[[State], Step | None]) -> None:
        """Along the path, and on by choice."""
        mirror = Mirror(self._rules, self._rng)
        state = initial(self._rules)
        taken: list[Label] = []
        while len(taken) < LONGEST:
            step = path[len(taken)] if len(taken) < len(path) else choose(state)
            if step is None:
                return
            label, after = step
            taken.append(label)
            self._walked.add((state, label))
            self.counts[label[0]] += 1
            try:
                mirror.follow(label, state, after)
            except AssertionError as error:
                told = " / ".join(" ".join(words) for words in taken)
                raise AssertionError(f"{error}\nafter: {told}\nmodel: {after}") from error
            state = after

    def _new_step(self, state: State) -> Step | None:
        for step in self._next(state):
            if (state, step[0]) not in self._walked:
                return step
        return None

    def _random_step(self, state: State) -> Step | None:
        choices = self._next(state)
        faults = [choice for choice in choices if is_fault(choice[0])]
        calm = [choice for choice in choices if not is_fault(choice[0])]
        is_fault_taken = faults and (not calm or self._rng.random() < FAULT_SHARE)
        kind = faults if is_fault_taken else calm
        return self._rng.choice(kind) if kind else None

    def _tree(self) -> Tree:
        """The shortest way to each state, nearest states first."""
        start = initial(self._rules)
        tree: Tree = {start: None}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            for step in self._next(state):
                if step[1] not in tree:
                    tree[step[1]] = (state, step)
                    waiting.append(step[1])
        return tree


def _way(tree: Tree, state: State) -> list[Step]:
    path: list[Step] = []
    while (before := tree[state]) is not None:
        state, step = before
        path.append(step)
    return path[::-1]
