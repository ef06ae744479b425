"""The command line: one small file per sub-command, each imported only when it is called."""
