"""A run on disk: its folder, its checkpoints, and going on from them."""
