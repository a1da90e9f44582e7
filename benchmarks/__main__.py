"""Run every benchmark, one after the other: `python -m benchmarks [--quick]`."""

import pkgutil
import subprocess
import sys
from pathlib import Path

import benchmarks

NOT_BENCHMARKS = {"__main__", "harness", "systems"}


def main() -> int:
    """Run all; return the number of those that failed."""
    folder = Path("build/benchmarks")
    names = sorted(
        module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in NOT_BENCHMARKS
    )
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(folder / f"{name}.json"), *sys.argv[1:]]
        failed += subprocess.run(command, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
