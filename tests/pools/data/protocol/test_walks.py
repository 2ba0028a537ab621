"""Random walks through scenarios that are too big to be explored: three loads of any kind, several attempts and coordinators."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.pools.data.protocol.explorer import broken, left_over, seen_wrongly
from tests.pools.data.protocol.model import LoadSpec, Reader, Scenario, State, start
from tests.pools.data.protocol.steps import pinned, steps

ROUTES = ((0, 1), (0,), (1,))
specs = st.builds(
    lambda mode, attempts, runs, sql, quick: LoadSpec(mode, attempts, runs, sql, quick),
    st.sampled_from(["append", "overwrite", "modify", "upsert"]),
    st.sampled_from([((0, 1),), ((0, 1), (0, 1))]),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)


class Walk(RuleBasedStateMachine):
    """One scenario, steps at random, readers that stay."""

    @initialize(loads=st.lists(specs, min_size=2, max_size=3))
    def begin(self, loads: list[LoadSpec]) -> None:
        self.scenario = Scenario(tuple(loads))
        self.state: State = start(self.scenario)
        self.readers: set[Reader] = set()

    @rule(choices=st.lists(st.integers(0, 1000), min_size=1, max_size=8))
    def walk(self, choices: list[int]) -> None:
        for choice in choices:
            possible = list(steps(self.scenario, self.state))
            if possible:
                self.state = possible[choice % len(possible)][1]
                assert broken(self.scenario, self.state) is None
                assert left_over(self.scenario, self.state) is None

    @rule()
    def pin(self) -> None:
        self.readers.add(pinned(self.scenario, self.state))

    @invariant()
    def readers_see_what_they_pinned(self) -> None:
        for reader in getattr(self, "readers", ()):
            assert seen_wrongly(self.scenario, self.state, reader) is None


TestWalks = Walk.TestCase
TestWalks.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
