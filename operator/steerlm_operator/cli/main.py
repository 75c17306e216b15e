"""The `steerlm` command. It answers Ctrl-C from its first moment, before its verbs are loaded."""

import sys

from steerlm_operator.cli.stopping import STOPPED, StoppedError, stoppable


def main() -> None:
    """Run the command line of this process and end with its exit code."""
    try:
        with stoppable():
            from steerlm_operator.cli.verbs import run_command  # a second, in which one may stop

            code = run_command()
    except StoppedError:
        code = STOPPED
    sys.exit(code)


if __name__ == "__main__":
    main()
