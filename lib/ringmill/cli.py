"""`ringmill …`: one command a stage, `run` for all of them, `doctor` for the machine."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from ringmill.errors import RingmillError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)

INTERRUPTED = 130

Conf = Annotated[Path, typer.Argument(help="the pipeline's YAML, for example conf/online_retail.yaml")]
Raw = Annotated[str | None, typer.Option("--raw", help="raw input: a file, a folder or a glob; overrides raw.path")]
Warehouse = Annotated[str | None, typer.Option("--warehouse", help="where the tables are; overrides the YAML")]
Set = Annotated[list[str] | None, typer.Option("--set", help="section.key=value, laid over the YAML; repeatable")]


def _command(name: str, help_: str) -> None:
    @app.command(name, help=help_)
    def run_one(conf: Conf, raw: Raw = None, warehouse: Warehouse = None, set_: Set = None) -> None:
        from ringmill.pipeline.run import configured, run_stages

        run_stages(configured(conf, raw=raw, warehouse=warehouse, settings=set_ or ()), [name])


_command("clean", "Raw orders to clean/rows: typed, with one status each; rejected rows keep their reasons.")
_command("rfm", "clean/rows to rfm/customers: recency, frequency, monetary value, scores, segment.")
_command("features", "clean/rows to features/NAME: what is known at each train cutoff, encoded with frozen state.")
_command("images", "Image files or idx files to features/NAME: decoded, checked, resized, fitted.")
_command("texts", "Files with texts and labels to features/NAME: cleaned, each text once, as ids of its tokens.")
_command("train", "features/NAME to a model: a multi-task network trained by Horovod's ranks.")
_command("score", "Every customer's probability to buy and expected spend; or every text's class, and where it goes.")
_command("report", "The page about the last run's tables.")


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
) -> None:
    from ringmill.pipeline.run import configured, run_stages

    given = {"generate.customers": customers, "generate.lines": lines, "generate.days": days, "seed": seed}
    settings = [*(set_ or ()), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    run_stages(configured(conf, raw=None, warehouse=warehouse, settings=settings), ["generate"])


@app.command(help="All stages of a pipeline, in order; a stage whose inputs have not changed is not run again.")
def run(conf: Conf, raw: Raw = None, warehouse: Warehouse = None, set_: Set = None) -> None:
    from ringmill.pipeline.run import configured, run_all

    run_all(configured(conf, raw=raw, warehouse=warehouse, settings=set_ or ()))


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


@app.command(help="Versions, Java, cores, memory, GPUs, Horovod, Delta's JARs; status 2 if something is missing.")
def doctor() -> None:
    from ringmill.doctor import main as examine

    raise typer.Exit(examine())


def main() -> None:
    """Entry point: a RingmillError ends with its text and its status; Ctrl-C and SIGTERM end what was started."""
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
    if status == INTERRUPTED:
        print("\ninterrupted: what was running has been ended; the tables stay at their last version", file=sys.stderr)
    sys.exit(status)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
