"""Jars are what the lock pins, or they are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from local_stack.jars import JarError, class_path, ensure, read_lock


def write_lock(folder: Path, content: bytes) -> Path:
    lock = folder / "jars.lock"
    lock.write_text(
        f"# note\n\n[spark]\nsome.group:thing:1.0  {hashlib.sha256(content).hexdigest()}\n", encoding="utf-8"
    )
    return lock


def place(folder: Path, content: bytes) -> Path:
    path = folder / ".jars" / "spark" / "thing-1.0.jar"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_a_line_of_the_lock_becomes_a_jar_of_its_section(tmp_path: Path):
    (jar,) = read_lock(write_lock(tmp_path, b"jar"))

    assert (jar.section, jar.group, jar.file_name) == ("spark", "some.group", "thing-1.0.jar")


def test_a_line_that_is_no_pin_is_told_with_its_number(tmp_path: Path):
    lock = tmp_path / "jars.lock"
    lock.write_text("[spark]\nsome.group:thing:1.0\n", encoding="utf-8")

    with pytest.raises(JarError, match="line 2"):
        read_lock(lock)


def test_a_complete_folder_fetches_nothing_and_drops_what_is_not_pinned(tmp_path: Path):
    path = place(tmp_path, b"jar")
    stranger = path.with_name("stranger-1.0.jar")
    stranger.write_bytes(b"")

    fetched = ensure(tmp_path / ".jars", write_lock(tmp_path, b"jar"))

    assert fetched == 0
    assert path.exists()
    assert not stranger.exists()


def test_a_jar_with_another_content_is_refused_and_deleted(tmp_path: Path):
    path = place(tmp_path, b"something else")

    with pytest.raises(JarError, match="expected SHA-256"):
        ensure(tmp_path / ".jars", write_lock(tmp_path, b"jar"))

    assert not path.exists()


def test_a_class_path_with_a_hole_says_what_to_run(tmp_path: Path):
    lock = write_lock(tmp_path, b"jar")

    with pytest.raises(JarError, match="make setup"):
        class_path("spark", tmp_path / ".jars", lock)
