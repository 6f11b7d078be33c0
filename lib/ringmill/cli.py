"""`ringmill …`: one command a stage, `run` for all of them, `doctor` for the machine."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ringmill.errors import RingmillError
from ringmill.errors.runs import usage
from ringmill.pipeline.command import INTERRUPTED, Outcome, run_command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

Conf = Annotated[Path, typer.Argument(help="the pipeline's YAML, for example conf/online_retail.yaml")]
Raw = Annotated[str | None, typer.Option("--raw", help="raw input: a file, a folder or a glob; overrides raw.path")]
Warehouse = Annotated[str | None, typer.Option("--warehouse", help="where the tables are; overrides the YAML")]
Set = Annotated[list[str] | None, typer.Option("--set", help="section.key=value, laid over the YAML; repeatable")]

RunId = Annotated[
    str | None,
    typer.Option("--run-id", help="what the ledger calls the run, so that who starts it finds it there; a new name"),
]


def _command(name: str, help_: str) -> None:
    @app.command(name, help=help_)
    def run_one(
        conf: Conf, raw: Raw = None, warehouse: Warehouse = None, set_: Set = None, run_id: RunId = None
    ) -> None:
        run_command(conf, [name], raw=raw, warehouse=warehouse, settings=set_ or (), run_id=run_id)


ONE_STAGE = {
    "clean": "Raw orders to clean/rows: typed, with one status each; rejected rows keep their reasons.",
    "rfm": "clean/rows to rfm/customers: recency, frequency, monetary value, scores, segment.",
    "features": "clean/rows to features/NAME: what is known at each train cutoff, encoded with frozen state.",
    "embed": "features/NAME to embeddings/NAME: the code of an autoencoder trained by Horovod's ranks.",
    "images": "Image files or idx files to features/NAME: decoded, checked, resized, fitted.",
    "texts": "Files with texts and labels to features/NAME: cleaned, each text once, as ids of its tokens.",
    "augment": "A table of one's own to generated/NAME: rows of its rare class that two networks made up.",
    "train": "features/NAME to a model: a multi-task network trained by Horovod's ranks.",
    "train_weighted": "The same, beside 'augment': with classes that weigh alike.",
    "train_oversampled": "The same, beside 'augment': with rows of the rare class repeated.",
    "train_generated": "The same, beside 'augment': with made rows of the rare class.",
    "score": "Every customer's chance to buy and expected spend; or every text's or image's class, and a text's route.",
    "report": "The page about the last run's tables.",
}
for _name, _help in ONE_STAGE.items():
    _command(_name, _help)


@app.command(
    help="Write a shop's raw orders with planted defects, as the YAML's generate section and these options say."
)
def generate(
    conf: Conf,
    customers: Annotated[int | None, typer.Option(help="how many customers the shop has")] = None,
    lines: Annotated[int | None, typer.Option(help="order lines, before planted copies")] = None,
    days: Annotated[int | None, typer.Option(help="days over which they buy")] = None,
    seed: Annotated[int | None, typer.Option(help="another seed, another shop")] = None,
    warehouse: Warehouse = None,
    set_: Set = None,
    run_id: RunId = None,
) -> None:
    given = {"generate.customers": customers, "generate.lines": lines, "generate.days": days, "seed": seed}
    settings = [*(set_ or ()), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    run_command(conf, ["generate"], warehouse=warehouse, settings=settings, run_id=run_id)


@app.command(help="All stages of a pipeline, in order; a stage whose inputs have not changed is not run again.")
def run(conf: Conf, raw: Raw = None, warehouse: Warehouse = None, set_: Set = None, run_id: RunId = None) -> None:
    run_command(conf, raw=raw, warehouse=warehouse, settings=set_ or (), run_id=run_id)


@app.command(
    help="What a stage would cost, before it runs; starts nothing. clean: passes, shuffles, joins and writes. train, "
    "which is meant where no stage is named: rows, bytes, steps, padding and memory per rank."
)
def plan(
    stage_and_conf: Annotated[list[str], typer.Argument(metavar="[clean|train] CONF", help="the pipeline's YAML")],
    raw: Raw = None,
    warehouse: Warehouse = None,
    set_: Set = None,
) -> None:
    from ringmill.pipeline.run import configured, print_plan

    *stages, conf = stage_and_conf
    if stages not in ([], ["clean"], ["train"]):
        raise typer.BadParameter(f"expected 'clean' or 'train', then one YAML; received: {' '.join(stage_and_conf)}")
    config = configured(Path(conf), raw=raw, warehouse=warehouse, settings=set_ or ())
    print_plan(config, *stages or ["train"])


@app.command(help="Propose a pipeline's YAML for raw input, each line with its evidence; for a person to edit.")
def suggest(
    raw: Annotated[str, typer.Argument(help="raw input: a file, a folder or a glob, of any format that clean reads")],
    out: Annotated[Path | None, typer.Option("--out", help="where to write it; by default to standard output")] = None,
    zone: Annotated[str, typer.Option(help="the time zone of the input's local times")] = "UTC",
) -> None:
    from ringmill.pipeline.suggest import suggest_to

    suggest_to(raw, out, zone=zone)


Where = Annotated[
    str,
    typer.Option("--warehouse", envvar="RINGMILL_WAREHOUSE", help="a warehouse, or a folder with one in it"),
]


@app.command(help="The runs of a warehouse, the newest first: when, which stages, exit status, seconds, by whom.")
def runs(
    warehouse: Where = "warehouse", last: Annotated[int, typer.Option(min=1, help="at most so many")] = 20
) -> None:
    from ringmill.pipeline.history import ledger_of, runs_table

    _print(runs_table(ledger_of(warehouse).entries(), last))


@app.command(help="One run, by its id or the beginning of it: inputs, outputs, rows, laws, seconds, memory, error.")
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN")],
    warehouse: Where = "warehouse",
    json_: Annotated[bool, typer.Option("--json", help="all that the ledger keeps, as one JSON line")] = False,
    status: Annotated[bool, typer.Option("--exit-status", help="end with the status that the run ended with")] = False,
) -> None:
    from ringmill.pipeline.history import exit_status, ledger_of, run_of, run_tree, shown

    ledger = ledger_of(warehouse)
    found = run_of(ledger.entries(), run_id)
    if json_:
        print(json.dumps(shown(found, ledger), sort_keys=True))
    else:
        _print(run_tree(found))
    if status:
        raise typer.Exit(exit_status(found))


@app.command(help="What a published table or model was made of, down to the raw files.")
def lineage(
    table: Annotated[str, typer.Argument(metavar="TABLE[@VERSION]", help="for example scores/customers@3")],
    warehouse: Where = "warehouse",
) -> None:
    from ringmill.pipeline.history import ledger_of, lineage_tree

    name, _, version = table.partition("@")
    _print(lineage_tree(ledger_of(warehouse).entries(), name.strip("/"), version or None))


@app.command(help="Where two runs differ: configuration, inputs, code, rows, figures.")
def diff(
    one: Annotated[str, typer.Argument(metavar="RUN")],
    other: Annotated[str, typer.Argument(metavar="RUN")],
    warehouse: Where = "warehouse",
) -> None:
    from ringmill.pipeline.history import differences, ledger_of, run_of

    entries = ledger_of(warehouse).entries()
    _print(differences(run_of(entries, one), run_of(entries, other)))


@app.command(help="Make the model that a run trained current: it scores from now on. The ledger keeps who and when.")
def promote(
    run_id: Annotated[str, typer.Argument(metavar="RUN")],
    warehouse: Where = "warehouse",
    model: Annotated[
        str | None, typer.Option("--model", help="the model's name, where the run trained more than one")
    ] = None,
) -> None:
    from ringmill.pipeline.by_hand import promote as promoted
    from ringmill.pipeline.history import ledger_of

    _print(promoted(ledger_of(warehouse), run_id, model))


@app.command(help="Make the model current again that was before the current one; repeated, the one before that.")
def rollback(
    warehouse: Where = "warehouse",
    model: Annotated[str | None, typer.Option("--model", help="the models' name, where there is more than one")] = None,
) -> None:
    from ringmill.pipeline.by_hand import roll_back
    from ringmill.pipeline.history import ledger_of

    _print(roll_back(ledger_of(warehouse), model))


@app.command(
    help="Run again what a run published, on the versions and files that it read, in a warehouse of its own under "
    "replays/; status 3 where the results differ."
)
def replay(run_id: Annotated[str, typer.Argument(metavar="RUN")], warehouse: Where = "warehouse") -> None:
    from ringmill.pipeline.history import ledger_of
    from ringmill.pipeline.replay import checked
    from ringmill.pipeline.replay import replay as replayed

    found = replayed(ledger_of(warehouse), run_id)
    _print("\n".join(found.lines()))
    checked(found)


@app.command(
    help="Remove what nothing needs: files, models, checkpoints and logs that no pointer, no training that can be gone "
    "on with and none of the last runs pins. Tables stay at their versions."
)
def vacuum(
    warehouse: Where = "warehouse",
    keep_runs: Annotated[int, typer.Option(min=1, help="of so many runs all versions and logs stay")] = 30,
    hours: Annotated[int, typer.Option(min=0, help="what was written to since then stays")] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
) -> None:
    from ringmill.pipeline.history import ledger_of
    from ringmill.pipeline.vacuum import find
    from ringmill.pipeline.vacuum import vacuum as vacuumed

    found = (find if dry_run else vacuumed)(ledger_of(warehouse), keep_runs=keep_runs, hours=hours)
    _print("\n".join(found.lines()))


@app.command(
    help="Lay out published tables by the columns that people look for (Z-order), so that a query reads few files. "
    "Rows and results stay; a table that is laid out so already is left."
)
def optimize(
    warehouse: Where = "warehouse",
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="TABLE=COLUMN,COLUMN", help="default: customers, cutoffs, days")
    ] = None,
    target_mb: Annotated[int, typer.Option("--target-mb", min=1, help="about so large is a file")] = 128,
) -> None:
    from ringmill.pipeline.history import ledger_of
    from ringmill.pipeline.optimize import optimize as optimized

    pairs = [one.partition("=") for one in by or ()]
    if bad := [table for table, equals, columns in pairs if not (equals and columns)]:
        raise typer.BadParameter(f"expected TABLE=COLUMN,COLUMN; received: {bad[0]}")
    chosen = {table: columns.split(",") for table, _, columns in pairs}
    _print("\n".join(optimized(ledger_of(warehouse), chosen, target_mb=target_mb).lines()))


def _print(what: object) -> None:
    from rich.console import Console

    # What goes to a file or another program has a line a fact, however long.
    width = None if sys.stdout.isatty() else 10_000
    Console(highlight=False, markup=False, width=width).print(what)


@app.command(help="Versions, Java, cores, memory, GPUs, Horovod, Delta's JARs; status 2 if something is missing.")
def doctor() -> None:
    from ringmill.doctor import main as examine

    raise typer.Exit(examine())


def command() -> None:
    """`main` as a process: it ends at once when all is said and written.

    Arrow's threads, which nobody waits for, can abort a process that is ending (apache/arrow 34314), and a stage that
    is published would end with status 134.
    """
    try:
        main()
    except SystemExit as ended:
        status = ended.code
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):  # who reads has seen enough
            stream.flush()
    os._exit(status if isinstance(status, int) else 0)


def main() -> None:
    """All commands, ending by SystemExit.

    A RingmillError ends with its text and its status; Ctrl-C and SIGTERM end what was started.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Typer hands an Exit's status, its own for Ctrl-C included, back as the result.
        status = app(standalone_mode=False)
    except RingmillError as error:
        print(f"\n{error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except Exception as error:
        # Usage errors know how to show themselves, and their status.
        show, status = getattr(error, "show", None), getattr(error, "exit_code", None)
        if show is None or status is None:
            raise
        show()
        # Commands that run stages end with one line of JSON, even where they cannot be read.
        if sys.argv[1:2] and sys.argv[1] in (*ONE_STAGE, "generate", "run"):
            print(Outcome().line(status, usage(str(error))), flush=True)
    if status == INTERRUPTED:
        print("\ninterrupted: what was running has been ended; the tables stay at their last version", file=sys.stderr)
    sys.exit(status)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
