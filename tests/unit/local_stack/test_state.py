"""A process is remembered by pid and start time, and ports are chosen without taking anybody's."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

from local_stack.ports import LOOPBACK, usual_or_free
from local_stack.process import end, find, identify
from local_stack.state import State, StateError, read, register, write


def test_a_process_is_found_while_it_runs_and_ended_once(tmp_path: Path):
    process = psutil.Popen(["sleep", "600"])
    member = identify("worker", process.pid, tmp_path / "log")

    assert find(member) is not None
    assert end(member)
    assert find(member) is None
    assert not end(member)


def test_a_recycled_pid_is_nobody(tmp_path: Path):
    ours = identify("worker", os.getpid(), tmp_path / "log")
    earlier = ours.model_copy(update={"started": ours.started - 3600})

    assert find(earlier) is None
    assert not end(earlier)


def test_what_is_registered_is_read_again_in_order(tmp_path: Path):
    first = register("first", os.getpid(), tmp_path / "log", folder=tmp_path / "stack")
    second = register("second", os.getpid(), tmp_path / "log", folder=tmp_path / "stack")

    assert read(tmp_path / "stack").members == (first, second)


def test_a_state_that_is_none_is_told(tmp_path: Path):
    (tmp_path / "state.json").write_text("{", encoding="utf-8")

    with pytest.raises(StateError, match="expected the state of a stack"):
        read(tmp_path)


def test_a_folder_without_a_state_is_an_empty_stack(tmp_path: Path):
    assert read(tmp_path) == State()
    write(tmp_path, State())
    assert read(tmp_path) == State()


def test_a_port_that_is_taken_is_left_alone():
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert usual_or_free(port) != port
    assert usual_or_free(port) == port
