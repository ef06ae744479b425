"""The documents of an index as a task's corpus.jsonl."""
