"""Reading constraints out of a query: precise before greedy, so that what may mean something else is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from leser.backend import Filter
from leser.constraints.amounts import Amount, AmountFinder
from leser.constraints.found import Constraint, Constraints
from leser.constraints.language import language_of
from leser.constraints.naming import Named, Naming
from leser.constraints.options import ConstraintOptions, KindOptions
from leser.constraints.sizes import Sizes
from leser.constraints.units import check_unit, factor
from leser.constraints.wording import BUILT_IN, Wording
from leser.errors import LeserError

PRICE, SIZE, WEIGHT = "price", "size", "weight"
MOST_CHARACTERS = 400
"""What is longer was not typed; a limit, so that a pasted page costs no seconds."""
SHARED = ("meter", "byte")
"""What several kinds are measured in: nobody says of what a bare "40 cm" is the length, or whether "128 gb" are RAM."""
CONVERTED = 0.01
"""How far a stored number may be from one converted between systems: 27 inches are stored as 68.6 cm, or 68.5, or 69."""


class ConstraintReader:
    """Reads the constraints of one configuration; raises LeserError where that makes no sense."""

    def __init__(self, options: ConstraintOptions) -> None:
        if not options.kinds:
            raise LeserError(
                "[constraints] is enabled but maps no kind to a field. Add one, e.g. [constraints.kinds.price] with "
                'field = "price" and unit = "USD".'
            )
        self.options = options
        self._language = language = language_of(options.locale or "en-US")
        self._amounts = AmountFinder(language)
        self._price: KindOptions | None = None
        self._measures: dict[str, KindOptions] = {}
        self._others: list[Sizes | Wording] = []
        for kind, mapped in options.kinds.items():
            if kind == PRICE:
                self._price = self._checked_price(mapped)
            elif kind == SIZE:
                self._others.append(Sizes(kind, mapped, language, self._amounts))
            elif mapped.values or kind in BUILT_IN:
                self._others.append(Wording(kind, mapped, language))
            else:
                check_unit(kind, mapped.unit)
                self._measures[kind] = mapped
        self._naming = Naming(language, self._measures)

    def _checked_price(self, mapped: KindOptions) -> KindOptions:
        if mapped.unit is not None and mapped.unit not in self._language.money.values():
            raise LeserError(
                f"[constraints.kinds.price] unit '{mapped.unit}' is not a supported currency. "
                f"Write its code: {', '.join(sorted(set(self._language.money.values())))}."
            )
        return mapped.model_copy(update={"unit": mapped.unit or self._language.currency})

    def read(self, text: str) -> Constraints:
        """The constraints of a query, in the order they stand there."""
        query = text
        if len(text) > MOST_CHARACTERS:
            text = text[:MOST_CHARACTERS].rpartition(" ")[0]  # no number is cut in two
        found = [constraint for other in self._others for constraint in other(text)]
        rest = text
        for size in (c for c in found if c.kind == SIZE):  # "size 42 up to 50 €" holds no range from 42 to 50
            rest = rest[: size.start] + "\0" * (size.end - size.start) + rest[size.end :]
        last: Named | None = None
        for amount in self._amounts(rest):
            constraint = self._priced(text, amount) or self._measured(text, amount, last)
            if constraint is not None:
                found.append(constraint)
                last = Named(constraint.kind, constraint.start, constraint.end)
        found = _firm(found)
        return Constraints(query, tuple(sorted(found, key=lambda c: (c.start, c.end))))

    def kinds_in_words(self) -> list[str]:
        """What is read for each mapped kind, and what is asked of its field: a line each."""
        lines = []
        for kind, mapped in self.options.kinds.items():
            if kind == PRICE and self._price:
                what = f"limits in {self._price.unit}"
            elif kind == SIZE:
                what = f"sizes ({mapped.unit})" if mapped.unit else "sizes that name no system"
            elif kind not in self._measures:
                many = "1 value" if len(mapped.values) == 1 else f"{len(mapped.values)} values"
                what = f"{many}, wanted or not wanted" if mapped.values else "known words, not wanted"
            else:
                what = f"{'exact amounts' if mapped.formats else 'amounts and limits'} in {mapped.unit}"
                what += "" if self._bare(kind) else ", with a word that says what they are"
            lines.append(f"{kind}: {what}; field {mapped.field}")
        return lines

    def _bare(self, kind: str) -> bool:
        """Whether a measure is this kind's where no word says so: not where other kinds are measured in the same units."""
        mapped = self._measures[kind]
        assert mapped.unit is not None
        return mapped.bare or not any(factor(mapped.unit, unit) for unit in SHARED)

    def _priced(self, text: str, amount: Amount) -> Constraint | None:
        """A limit of the price: with the field's currency, or after the word "price". A bare sum may be anything."""
        if self._price is None or amount.op in ("eq", "in"):
            return None
        if self._language.money.get(amount.unit) != self._price.unit and (amount.unit or not amount.label):
            return None
        return _limit(PRICE, text, amount.start, amount.end, self._price.field, amount.op, amount.numbers)

    def _unnamed(self, kind: str, text: str, amount: Amount) -> bool:
        """Whether an amount without a word is this kind's: not one that a thing carries, nor a range of weight, a body's."""
        if self._measures[kind].bare:
            return True
        return self._bare(kind) and not self._naming.carried(kind, text) and (kind != WEIGHT or amount.op != "range")

    def _measured(self, text: str, amount: Amount, last: Named | None) -> Constraint | None:
        unit = self._language.units.get(amount.unit) or self._language.glued.get(amount.unit)
        if unit is None:
            return None
        fitting = {k: m for k, m in self._measures.items() if m.unit and factor(unit, m.unit) is not None}
        named = self._naming(text, amount, fitting, last)
        if named is None:
            return None
        if named.kind is None:
            fitting = {kind: mapped for kind, mapped in fitting.items() if self._unnamed(kind, text, amount)}
        elif named.kind in fitting or named.kind in self._naming.known:
            fitting = {kind: mapped for kind, mapped in fitting.items() if kind == named.kind}
        start, end, op = named.start, named.end, amount.op
        if op == "eq" and end > amount.end and (limit := self._amounts.behind(text, end)):
            op, end = limit  # "16 gb ram or more"
        if len(fitting) != 1:
            return None  # no field for it, or several it could mean
        ((kind, mapped),) = fitting.items()
        assert mapped.unit is not None
        times = factor(unit, mapped.unit)
        assert times is not None
        values = tuple(float(f"{number * times:.10g}") for number in amount.numbers)
        if mapped.formats:
            return _written(kind, text, start, end, mapped, op, values)
        if op == "eq" and not log10(times).is_integer():
            low, high = values[0] * (1 - CONVERTED), values[0] * (1 + CONVERTED)
            return _limit(kind, text, start, end, mapped.field, "range", (low, high))
        return _limit(kind, text, start, end, mapped.field, op, values)


def _limit(kind: str, text: str, start: int, end: int, field: str, op: str, numbers: tuple[float, ...]) -> Constraint:
    if op == "range":
        filters: tuple[Filter, ...] = (Filter(field, "gte", numbers[0]), Filter(field, "lte", numbers[1]))
    elif op == "in":
        filters = (Filter(field, "in", numbers),)
    else:
        filters = (Filter(field, op, numbers[0]),)  # type: ignore[arg-type]
    return Constraint(kind, text[start:end], start, end, filters)


def _written(
    kind: str, text: str, start: int, end: int, mapped: KindOptions, op: str, values: tuple[float, ...]
) -> Constraint | None:
    """An exact value of a field that holds text; a limit cannot be asked of it."""
    if op not in ("eq", "in"):
        return None
    said = tuple(form.replace("{}", f"{value:.10g}") for value in values for form in mapped.formats)
    condition = Filter(mapped.field, "eq", said[0]) if len(said) == 1 else Filter(mapped.field, "in", said)
    return Constraint(kind, text[start:end], start, end, (condition,))


def _firm(found: Sequence[Constraint]) -> list[Constraint]:
    """All but those that contradict another of their kind: two exact values, where nothing says that either will do."""
    exact: dict[str, set[tuple[Filter, ...]]] = {}
    for constraint in found:
        if any(f.op in ("eq", "in") for f in constraint.filters):
            exact.setdefault(constraint.kind, set()).add(constraint.filters)
    return [c for c in found if len(exact.get(c.kind, ())) < 2 or not any(f.op in ("eq", "in") for f in c.filters)]
