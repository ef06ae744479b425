"""The formats that come with LESER, each a reader: BEIR, TREC, Quepid; and splits where a task has none."""
