"""Looking into runs afterwards: their evaluation, their policy, what was written."""
