"""What entries are made with, as short texts that change when the policy, the rules, the catalogue or the judge changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from leser.environment import Environment
from leser.expansion_store import StoredEntry

_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """The four texts that an entry keeps.

    `policy` is a run's name and digest, "search", or a baseline's name and digest; of several, joined by "+".
    """

    policy: str
    profile: str
    engine: str
    judge: str

    def stale(self, entry: StoredEntry) -> tuple[str, ...]:
        """What has changed since the entry was made; empty where it is fresh."""
        return tuple(
            name for name in ("policy", "profile", "engine", "judge") if getattr(self, name) != getattr(entry, name)
        )


def recipe_of(environment: Environment, names: Iterable[str], platform: str, settings: Iterable[str]) -> Recipe:
    """The recipe of a job: `names` are its proposers', `settings` everything that decides an answer besides.

    What the judge has learned from belongs to it: with other train judgments it is another judge. The platform's rules belong
    to the settings. Raises EngineDown where the engine cannot say its fingerprint.
    """
    learned = environment.learned_from
    own = [environment.expansion.model_dump_json(), *environment.rules.codes, *environment.rules.sentences(), *settings]
    return Recipe(
        "+".join(names),
        f"{platform or 'default'}@{digest(*own)}",
        digest(environment.client.backend.fingerprint()),
        environment.rewards.formula + (f"; learned from {learned}" if learned else ""),
    )


def digest(*texts: str) -> str:
    """12 hexadecimal digits of several texts."""
    return hashlib.blake2b("\0".join(texts).encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()


def policy_name(run: Path) -> str:
    """A run's name with a digest of the policy that it serves, `shop@1a2b3c4d5e6f`; reads its weights once."""
    found = hashlib.blake2b(digest_size=6)
    served = [*sorted((run / "policy").rglob("*")), run / "weight.json"]
    for path in (path for path in served if path.is_file()):
        found.update(f"{path.relative_to(run)}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while part := file.read(_PART):
                found.update(part)
    return f"{run.resolve().name}@{found.hexdigest()}"
