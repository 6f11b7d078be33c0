import ast
import re
from pathlib import Path

import pytest

from ringmill import errors
from ringmill.errors import InputError, RingmillError, ScoringError, UnforeseenError, named_in

TRACE = """An error occurred while calling o26.save.
: org.apache.spark.SparkException: Job aborted: Traceback (most recent call last):
  File "worker.py", line 1, in main
ringmill.errors.{text}

	at org.apache.spark.api.python.BasePythonRunner
"""


@pytest.mark.parametrize(
    "error",
    [
        InputError.differs("the features' input", "gap", "double", "string"),
        ScoringError.scorer_failed("scorer.log", "Killed\n  with two lines"),
    ],
)
def test_law_10_an_error_raised_in_a_worker_is_found_in_sparks_trace_with_its_kind_and_words(error):
    found = named_in(TRACE.format(text=f"{type(error).__name__}: {error}"))
    assert type(found) is type(error)
    assert str(found) == str(error)


@pytest.mark.parametrize("trace", ["", "ValueError: no", TRACE.format(text="NoSuchError: a\n  where: b")])
def test_other_traces_name_nothing(trace):
    assert named_in(trace) is None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("s3://KEY:hush@bucket/rows", "s3://bucket/rows"),
        ("s3://KEY:hu@sh@bucket/rows", "s3://bucket/rows"),
        ("Cannot parse 's3://KEY:hush@bucket/a b'", "Cannot parse 's3://bucket/a b'"),
        ("http://host:80/x?key=hush&b=hush#c", "http://host:80/x?key=***&b=***#c"),
        ("s3://bucket/x@y?region=eu, ann@example.org", "s3://bucket/x@y?region=eu, ann@example.org"),
    ],
)
def test_law_10_no_part_of_an_error_says_a_password(said, shown):
    error = InputError.unreadable(said, said)
    assert (error.where, error.received) == (shown, shown)
    assert error.parts()["where"] == shown
    assert "hush" not in f"{error} {error!r} {error.parts()}"


def test_an_unforeseen_error_says_its_first_line_and_where_the_trace_is():
    error = UnforeseenError.of(ValueError("\n  first\nsecond"), "error.log")
    assert (error.exit_status, error.where, error.received) == (1, "error.log", "ValueError: first")


def test_the_headings_of_the_troubleshooting_page_are_errors_as_they_are_printed():
    page = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    sources = "".join(path.read_text() for path in Path(errors.__file__).parent.glob("*.py"))
    written = [re.sub(r"\{[^}]*\}", "…", text) for text in re.findall(r'^ {8,12}f?"(.*)",$', sources, re.MULTILINE)]
    assert len(headings) > 15
    assert [heading for heading in headings if heading not in written] == []


def statuses():
    """The first line of each error, as the page writes it → the statuses that a command may end with."""
    found = {}
    for path in Path(errors.__file__).parent.glob("*.py"):
        for outer in ast.parse(path.read_text(encoding="utf-8")).body:
            for call in (node for node in ast.walk(outer) if isinstance(node, ast.Call) and node.args):
                name = getattr(call.func, "id", "")
                kind = getattr(errors, outer.name if name == "cls" else name, None) if name else None
                if isinstance(kind, type) and issubclass(kind, RingmillError):
                    words = re.sub(r"\{[^}]*\}", "…", ast.unparse(call.args[0]).removeprefix("f")[1:-1])
                    # A constructor may be called on a kind of its kind.
                    kinds = (kind, *(kind.__subclasses__() if name == "cls" else ()))
                    found[words] = {each.exit_status for each in kinds}
    return found


def test_each_error_of_the_troubleshooting_page_stands_under_its_status():
    page = (Path(__file__).parents[1] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    known, wrong = statuses(), []
    for section in page.split("\n## ")[1:]:
        for heading in re.findall(r"^### (.*)$", section, re.MULTILINE):
            if heading in known and int(section[0]) not in known[heading]:
                wrong.append((heading, known[heading]))
    assert len(known) > 50
    assert wrong == []
