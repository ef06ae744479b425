"""The configuration of a run: tables of options, how they are read and laid over each other, and profiles."""
