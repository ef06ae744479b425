"""A run: its folder, its checkpoints, and the stages from a task to a report."""
