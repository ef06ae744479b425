"""Platform profiles: one file per site or market that says how it searches, what it rewards and what it forbids.

`profile` reads a file and what it extends, `check` finds every mistake in it, `words` says it in plain words.
"""

from __future__ import annotations

from leser.config.profile import Profile, read_profile

__all__ = ["Profile", "read_profile"]
