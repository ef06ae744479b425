"""The demo task as a reader plugin: nothing is read, the seed makes it all."""

from __future__ import annotations

from pydantic import Field

from leser.options import Seed
from leser.reader import Reader, ReaderOptions
from leser.task import Task
from leser_catalogue.generator import generate
from leser_catalogue.words import Language, World


class Demo(Reader):
    """The demo task: an invented shop, its shoppers' queries and complete judgments, generated from a seed."""

    name = "demo"

    class Options(ReaderOptions):
        """Options of the demo task."""

        seed: Seed = Field(1, description="seed of the shop: products, vocabulary and queries")
        language: Language = Field("en", description="language of shop and shoppers: en, de")
        world: World = Field(
            "plain",
            description="plain: shoppers use other words than the catalogue; hits: invented words whose meaning stands in the "
            "titles found, others in train than in test",
        )

    options: Options

    def read(self) -> Task:
        """Generate the task."""

        return generate(self.options.seed, self.options.language, self.options.world)
