"""The command line of the jobs: arguments in, exit codes and a report out. No stage logic.

Nothing here imports torch before it is needed: `--help` and `verify` answer at once.
"""
