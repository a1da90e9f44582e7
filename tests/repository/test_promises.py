"""What holds for the repository as a whole, whatever is in it."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from local_stack.jars import read_lock

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("lambda_core", "batch_layer", "speed_layer", "serving_layer", "jobs", "local_stack", "demo")
TARGETS = ("setup", "up", "down", "demo", "test", "check", "unit", "bench", "crash", "clean")
# Written apart, so that this file does not name what it forbids.
REGISTRIES = tuple(
    "".join(parts)
    for parts in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("repo1.", "maven"),
        ("repo.", "maven"),
        ("maven", "-central"),
        ("--index", "-url"),
        ("--extra-index", "-url"),
        ("artifact", "ory."),
        ("repository.", "apache"),
    )
)
MACHINE_PATHS = re.compile("|".join(("/" + "work/", "/" + "root/", "/" + "home/[a-z]", "/" + "Users/[a-z]")))


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    readable = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            readable.append((path.relative_to(ROOT), content.decode("utf-8", errors="replace")))
    return readable


def modules() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in ROOMS]


def test_no_file_names_a_registry():
    named = [(str(path), host) for path, text in texts() for host in REGISTRIES if host in text]

    assert named == []


def test_the_product_does_not_know_the_project_that_is_shipped_with_it():
    product = ("lambda_core", "batch_layer", "speed_layer", "serving_layer", "jobs")
    naming = [str(path) for path, text in texts() if path.parts[0] in product and "flight" in text.lower()]

    assert naming == []


def test_no_file_names_a_path_of_one_machine():
    named = [(str(path), found[0]) for path, text in texts() if (found := MACHINE_PATHS.search(text))]

    assert named == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-bootstrap.lock"])
def test_every_locked_package_has_a_hash(name: str):
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text(encoding="utf-8"))
    pinned = [entry for entry in entries if "==" in entry.split("\n")[0]]

    assert pinned
    assert [entry.split(" ")[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def test_every_wanted_package_is_locked():
    wanted = {
        re.split(r"[^A-Za-z0-9-]", line)[0].lower()
        for line in (ROOT / "requirements.in").read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Za-z]", line)
    }
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))

    assert wanted - locked == set()


def test_every_jar_is_pinned_once_in_its_section():
    jars = read_lock()

    assert {jar.section for jar in jars} == {"spark", "broker"}
    assert len({(jar.section, jar.group, jar.artifact) for jar in jars}) == len(jars)


def test_every_room_has_a_card():
    poor = [
        str(path.relative_to(ROOT))
        for path in modules()
        if path.name == "__init__.py"
        and len((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()) < 3
    ]

    assert poor == [], "say in at least three lines what lives here, what it reads and writes, what does not belong"


def test_no_module_is_longer_than_three_hundred_lines():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }

    assert long == {}


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows(target: str):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_build_server_runs_what_a_developer_runs():
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "exec make test"


@pytest.mark.parametrize("script", [".ci/run", "local_stack/setup.sh", "spark-submit.sh"])
def test_every_script_can_be_run_and_is_sound_bash(script: str):
    path = ROOT / script

    assert path.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0
