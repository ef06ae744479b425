"""Baseline: a system the learned policy is compared with; fitted on train and dev, never on test.

A third party's baseline is one class and a hook `leser_baselines()` that returns `[Synonyms]`:

    class Synonyms(Baseline):
        \"\"\"Terms out of a hand-made synonym file.\"\"\"
        name = "synonyms"
        def terms(self, queries): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
