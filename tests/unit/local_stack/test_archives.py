"""The archives of classes: made once, made anew when what they were made from is another, never the end of a set-up."""

import pytest

from local_stack import archives
from local_stack.errors import StackError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, file in (("SPARK", "spark.jsa"), ("BROKER", "broker.jsa"), ("STAMP", ".archived")):
        monkeypatch.setattr(archives, name, tmp_path / file)
    return tmp_path


def no_broker(*_):
    raise StackError("no broker here")


def test_what_is_there_and_of_the_same_java_and_jars_is_left_alone(folder, monkeypatch):
    monkeypatch.setattr(archives, "Broker", no_broker)
    for path in (archives.SPARK, archives.BROKER):
        path.write_bytes(b"classes")
    archives.STAMP.write_text(archives._made_from(), encoding="utf-8")

    assert not archives.ensure()


@pytest.mark.parametrize("missing", ["spark.jsa", "broker.jsa", ".archived", "another Java"])
def test_what_is_missing_or_of_another_java_is_removed_and_a_set_up_goes_on_without_it(
    folder, monkeypatch, capsys, missing
):
    monkeypatch.setattr(archives, "Broker", no_broker)
    for path in (archives.SPARK, archives.BROKER):
        path.write_bytes(b"classes")
    archives.STAMP.write_text("of another" if missing == "another Java" else archives._made_from(), encoding="utf-8")
    (folder / missing).unlink(missing_ok=True)

    assert archives.main() == 0
    assert "no archive of classes, so Spark starts slower than it could: no broker here" in capsys.readouterr().err
    assert list(folder.iterdir()) == []
