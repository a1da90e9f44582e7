"""The command `mainstem`: one file a sub-command, each a thin edge over a layer's function.

Lives here: options, help that teaches, exit codes. A known error ends with its sentence and code 2, without a trace.
Does not belong here: what the commands do.
"""

from jobs.cli.main import main

__all__ = ["main"]
