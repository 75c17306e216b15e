"""A process under the keeper: it cannot outlive this one."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_KEEPER: Final = Path(__file__).with_name("keeper.py")


class KeptProcess:
    """A command that runs until it ends, is stopped, is killed, or this process dies."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: IO[bytes] | int,
        errors: IO[bytes] | int,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        reading, self._lifeline = os.pipe()
        try:
            self.process = subprocess.Popen(  # noqa: S603  # our own programs, no shell
                [sys.executable, "-I", "-S", str(_KEEPER), str(reading), *command],
                env=dict(environment),
                stdin=stdin,
                stdout=output,
                stderr=errors,
                pass_fds=(reading,),
                start_new_session=True,  # Ctrl-C is for the runner, who then asks the stage to stop
            )
        except BaseException:  # a signal's, too: what was started dies
            self.kill()
            raise
        finally:
            os.close(reading)

    @property
    def pid(self) -> int:
        """Process id of the keeper."""
        return self.process.pid

    def exit_code(self) -> int | None:
        """Return None while it runs; 128 + signal if it was killed."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def stop(self) -> None:
        """Ask it to end."""
        self.process.terminate()

    def kill(self) -> None:
        """Kill it and all it started."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def close(self) -> None:
        """Kill it if it still runs, and wait for its end."""
        self.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
