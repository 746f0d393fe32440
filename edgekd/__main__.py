"""`python -m edgekd` is the command line."""

from edgekd.cli import main

if __name__ == "__main__":  # the processes of a search import this module, too
    main()
