"""`python -m leser`: the command `leser`, for launchers that start a module in every process."""

from leser.cli.main import main

if __name__ == "__main__":
    main()
