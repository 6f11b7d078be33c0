from pathlib import Path

from ringmill.lake.key import ROOT, closure, code_hash, imported, stage_key


def test_the_key_changes_with_inputs_configuration_and_code_and_with_nothing_else():
    base = stage_key({"t": 1}, {"a": 1, "b": 2}, "code")
    assert base == stage_key({"t": 1}, {"b": 2, "a": 1}, "code")
    changed = [({"t": 2}, {"a": 1, "b": 2}, "code"), ({"t": 1}, {"a": 1}, "code"), ({"t": 1}, {"a": 1, "b": 2}, "edoc")]
    others = {stage_key(*parts) for parts in changed}
    assert base not in others
    assert len(others) == 3


def test_the_code_of_a_stage_is_what_it_imports_at_any_depth_and_not_its_neighbours():
    rfm = {path.relative_to(ROOT).as_posix() for path in closure(["ringmill.pipeline.rfm"])}
    assert {"pipeline/rfm.py", "rfm/customers.py", "rfm/scores.py", "columns.py", "windows.py"} <= rfm
    assert not {name for name in rfm if name.startswith(("train/", "score/", "clean/", "report/"))}
    assert code_hash("ringmill.pipeline.rfm") != code_hash("ringmill.pipeline.score")


def test_imports_inside_functions_count(tmp_path):
    source = Path(tmp_path) / "m.py"
    source.write_text("import os\ndef f():\n    from ringmill.lake import tables\n    import ringmill.errors\n")
    assert imported(source) == {"ringmill.lake", "ringmill.lake.tables", "ringmill.errors"}
