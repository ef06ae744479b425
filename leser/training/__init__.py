"""Training: the stages of a run, each an ordinary loop, and the state that a checkpoint keeps."""
