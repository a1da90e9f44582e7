"""Fail points: known by name, each in one place of the code, free when none is asked for, and final."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lambda_core.errors import ConfigError
from lambda_core.fail_points import POINTS, arm, passed

ROOT = Path(__file__).parents[3]
PROGRAM = "from lambda_core.fail_points import arm, passed; arm('{}'); [(passed('{}'), print(n)) for n in range(5)]"


@pytest.fixture(autouse=True)
def nowhere():
    yield
    arm("")


def test_every_point_that_is_listed_is_passed_in_one_place_of_the_code_and_no_other_is():
    rooms = ("lambda_core", "batch_layer", "speed_layer", "serving_layer")
    texts = (path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py"))
    found = Counter(name for text in texts for name in re.findall(r'\bpassed\("([^"]+)"\)', text))

    assert found == dict.fromkeys(POINTS, 1)


@pytest.mark.parametrize(
    "text", ["merge.after_lunch:1", "merge.after_apply", "merge.after_apply:0", "merge.after_apply:x"]
)
def test_what_is_no_point_is_refused(text: str):
    with pytest.raises(ConfigError, match=r"MAINSTEM_FAIL_AT: expected .*merge\.after_apply"):
        arm(text)


def test_without_a_point_asked_for_nothing_ends():
    arm("")
    for point in POINTS:
        passed(point)


def test_a_process_ends_at_the_nth_passage_of_its_point_and_not_before():
    program = PROGRAM.format("merge.after_keep:3", "merge.after_keep")
    done = subprocess.run([sys.executable, "-u", "-c", program], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout.split()) == (-9, ["0", "1"])
    assert done.stderr == "fail point merge.after_keep: this process ends here\n"


def test_a_process_that_makes_another_context_goes_on_counting():
    again = (
        "from lambda_core.fail_points import arm, passed; [(arm('{0}:3'), passed('{0}'), print(n)) for n in range(5)]"
    )
    program = again.format("publish.after_flip")
    done = subprocess.run([sys.executable, "-u", "-c", program], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout.split()) == (-9, ["0", "1"])


def test_a_process_goes_on_past_every_other_point():
    program = PROGRAM.format("merge.after_keep:1", "merge.after_apply")
    done = subprocess.run([sys.executable, "-u", "-c", program], check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout.split()) == (0, ["0", "1", "2", "3", "4"])
