"""RolloutContract: what every rollout engine must hold to, as tests a plugin author inherits.

    import pytest
    from leser.testing import RolloutCase, RolloutContract

    class TestMyEngine(RolloutContract):
        @pytest.fixture
        def case(self):
            return RolloutCase(MyEngine, {"device": "cpu"})

The kit has a small policy of its own (`kit_policy()`), and opens the engine three or four times in all, for starting one may
take a minute. A test that is known to fail is overridden with `@pytest.mark.xfail(reason=...)`.
"""

from __future__ import annotations

import pytest

from leser.errors import LeserError
from leser.rollout import RolloutPlace
from leser.rollouts.checked import fault
from leser.testing.kit import check_message
from leser.testing.rollout_case import CONTEXT, Life, RolloutCase, change_weights, kit_policy, left_open, prompts_of
from leser.testing.rollout_sampling import ONE, SEVERAL, RolloutSampling, refuses, tokens_of

__all__ = ["RolloutCase", "RolloutContract", "kit_policy"]


class RolloutContract(RolloutSampling, kit=True):
    """The contract of `leser.rollout.RolloutEngine`; each test says where to look if it fails."""

    def test_new_weights_are_taken_over(self, life: Life) -> None:
        """If this fails, check `sync_weights`: all weights by name, a tied one too, and no key or value cached of old ones."""
        life.sync()
        life.draw(SEVERAL)
        for seed in range(3):
            change_weights(life.policy, seed)
            life.sync()
            assert life.gap(SEVERAL, life.draw(SEVERAL)) == "", f"after update {seed + 1}"

    def test_it_rests(self, life: Life) -> None:
        """If this fails, check `rest`: it may be called twice, and after the next `sync_weights` everything is as before."""
        life.sync()
        life.draw(ONE)
        life.engine.rest()
        life.engine.rest()
        change_weights(life.policy, 3)
        life.sync()
        assert life.gap(SEVERAL, life.draw(SEVERAL)) == ""

    def test_the_policy_is_left_as_it_is(self, life: Life) -> None:
        """If this fails, check what changes the trained policy: an engine reads its weights, and trains or moves nothing."""
        before = {name: weight.clone() for name, weight in life.policy.model.named_parameters()}
        life.sync()
        life.draw(SEVERAL)
        life.engine.rest()
        for name, weight in life.policy.model.named_parameters():
            assert weight.equal(before[name]), f"{name} was changed"
            assert weight.requires_grad, f"{name} is no longer trained"

    def test_disk_is_not_filled(self, life: Life) -> None:
        """If this fails, check files with weights: those of the last update may stay, those of all before it go."""
        sizes = []
        for _ in range(4):
            life.sync()
            life.draw(ONE)
            sizes.append(sum(path.stat().st_size for path in life.place.rglob("*") if path.is_file()))
        weights = sum(weight.numel() for weight in life.policy.model.parameters())
        assert sizes[3] - sizes[1] < weights, f"its folder grows with every update: {sizes} bytes"

    def test_a_prompt_that_does_not_fit(self, life: Life) -> None:
        """If this fails, check a prompt that leaves no room: a LeserError, or completions that say why they were broken off."""
        life.sync()
        (prompt,) = prompts_of(CONTEXT - 1)
        request = life.request()
        try:
            found = life.engine.sample([prompt], request)
        except LeserError as error:
            check_message(error)
        else:
            assert [len(group) for group in found] == [request.count], "an answer with nothing in it"
            assert {fault(sample, request, life.policy.eos_ids) for sample in found[0]} == {""}
        assert life.gap(SEVERAL, life.draw(SEVERAL)) == "", "and afterwards it goes on"

    def test_a_shared_one_serves_other_processes(self, case: RolloutCase, life: Life) -> None:
        """If this fails, check `shared`: a second process asks the same engine, which the main one has given its weights."""
        if not case.engine.shared:
            return
        life.sync()
        other = case.make()
        other.open(life.policy, RolloutPlace(life.place, process=1, processes=2))
        try:
            change_weights(life.policy, 4)
            life.sync()
            found = other.sample(SEVERAL, life.request())
        finally:
            other.close()
        assert life.gap(SEVERAL, found) == ""
        assert life.gap(SEVERAL, life.draw(SEVERAL)) == "", "the second one, closed, took the first along"

    def test_the_same_after_a_restart(self, life: Life) -> None:
        """If this fails, check what decides a draw beside weights, seed, step and query: a resumed run must draw the same."""
        life.sync()
        before = life.draw(SEVERAL)
        life.close()
        life.engine.sync_weights(life.policy, life.step)
        assert tokens_of(life.draw(SEVERAL)) == tokens_of(before)

    def test_it_closes_what_it_opened(self, case: RolloutCase, life: Life) -> None:
        """If this fails, check `close`: twice is fine, threads, processes and sockets end, and nothing is sampled any more."""
        life.sync()
        if life.lives < 2:  # what a library opens once for the whole process is open after a first life
            life.close()
            life.sync()
        life.draw(ONE)
        engine = life.engine
        life.close()
        assert not left_open(life.before), "still there"
        engine.close()
        refuses(case, engine)

    def test_an_engine_that_fails(self, case: RolloutCase, life: Life) -> None:
        """If this fails, check errors of what samples: each is a LeserError that says what to do; nothing is made up.

        It is the last test, for what it breaks may stay broken.
        """
        if case.breaks is None:
            return
        life.sync()
        life.draw(ONE)
        case.breaks(life.engine)
        with pytest.raises(LeserError) as caught:
            life.engine.sample(SEVERAL, life.request())
        check_message(caught.value)
        life.close()
