"""A reward for expansions that find what can be bought now."""

from leser.hooks import hookimpl
from leser.reward import Reward


class InStock(Reward):
    """Share of the top k that is in stock (in_stock@k)."""

    name, fields = "in_stock", ("stock",)

    def score(self, outcomes):
        """One share for each completion, in order."""
        return [self._share(outcome.documents, outcome.expanded.ids[: self.depth]) for outcome in outcomes]

    def _share(self, documents, top):
        return sum(documents[id].fields.get("stock", "0") != "0" for id in top if id in documents) / self.depth


@hookimpl
def leser_rewards():
    """The reward of this package."""
    return [InStock]
