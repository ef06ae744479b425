"""The brands of the shop that a seed makes, one a line: `python -m leser_catalogue.brands SEED > FILE`.

Such a file is what `files` of the rule `protected` reads; a profile's own list is that of one seed's shop.
"""

from __future__ import annotations

import argparse

from leser.options import seed_argument
from leser_catalogue.products import make_products
from leser_catalogue.vocabulary import draw


def brands_of(seed: int) -> list[str]:
    """The brands of this seed's shop in the order of the alphabet; they are the same in every language."""
    return sorted({product.brand for product in make_products(seed, draw(seed))})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m leser_catalogue.brands")
    parser.add_argument("seed", type=seed_argument)
    print("\n".join(brands_of(parser.parse_args().seed)))
