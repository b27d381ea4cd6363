"""The command line `unlabeled`: one command a benchmark, and the commands around records and tables."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from unlabeled import cli_world, registry, team
from unlabeled.errors import Exit, UnlabeledError, WrongCall

if TYPE_CHECKING:
    from io import TextIOWrapper

    from unlabeled.records import Record

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Methods that learned from unlabeled images, video and sound, run through the transfer protocols of "
    "the field.\n\nStart with [bold]unlabeled run-all[/]: nothing has to be downloaded.",
)
datasets_app = typer.Typer(no_args_is_help=True, help="Check a data set on disk, or learn how to get one.")
new_app = typer.Typer(no_args_is_help=True, help="Begin a plug-in of your own.")
app.add_typer(datasets_app, name="datasets")
app.add_typer(new_app, name="new")
app.add_typer(cli_world.app, name="world")


class OverwriteChoice(StrEnum):
    never = "never"
    missing = "missing"
    always = "always"


class KeepChoice(StrEnum):
    none = "none"
    predictions = "predictions"


class FormatChoice(StrEnum):
    md = "md"
    csv = "csv"
    latex = "latex"


class ExportChoice(StrEnum):
    csv = "csv"
    json = "json"
    parquet = "parquet"


class ListChoice(StrEnum):
    methods = "methods"
    benchmarks = "benchmarks"
    datasets = "datasets"
    tables = "tables"


Data = Annotated[str | None, typer.Option(help="Data root, or world:PRESET:SEED. Default: the generated world.")]
Preset = Annotated[str, typer.Option(help="Size of the method: nano, mini, small, paper.")]
Seeds = Annotated[str, typer.Option(help="Seeds, separated by commas; one run each.")]
StoreFolder = Annotated[Path, typer.Option("--store", help="Folder of records, journals and made worlds.")]
WeightsFile = Annotated[Path | None, typer.Option(help="File of weights for the method's network (safetensors, .pth).")]
KeyMap = Annotated[
    str | None,
    typer.Option(help="Names of --weights to names of the network: a file, or dino, mae, moco, module, vissl."),
]
RandomWeights = Annotated[bool, typer.Option("--random-weights", help="Run the untrained network; a deviation.")]
Features = Annotated[Path | None, typer.Option(help="Folder CLASS/VIDEO.npy of features, for recipes that read these.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would run, what is cached, what is missing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the records as JSON, one a line.")]
STORE = Path(".unlabeled")


# ---------------------------------------------------------------- one command a benchmark


def _benchmark_command(benchmark: str) -> Callable[..., None]:
    def command(
        method: Annotated[
            str | None,
            typer.Option(
                "--method",
                "-m",
                help="A name from `unlabeled list methods`, timm:NAME, torchvision:NAME or hear:MODULE.",
            ),
        ] = None,
        results: Annotated[
            Path | None, typer.Option(help="Score this folder of results made elsewhere, in place of a method.")
        ] = None,
        name: Annotated[str, typer.Option(help="Row of the tables for --results. Default: the folder's name.")] = "",
        data: Data = None,
        pretrain_data: Annotated[Path | None, typer.Option(help="Unlabeled data for methods that pretrain.")] = None,
        recipe: Annotated[str | None, typer.Option(help="Named variant of the protocol.")] = None,
        variant: Annotated[str, typer.Option(help="Named network or input of the method.")] = "",
        preset: Preset = "mini",
        setting: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE changes one preset field.")] = None,
        point: Annotated[str, typer.Option(help="Read an encoder here, not where the recipe says.")] = "",
        weights: WeightsFile = None,
        key_map: KeyMap = None,
        random_weights: RandomWeights = False,
        features: Features = None,
        seeds: Seeds = "0",
        device: Device = "auto",
        limit: Annotated[int | None, typer.Option(help="First N items of each class and split (a subset).")] = None,
        store: StoreFolder = STORE,
        official: Annotated[
            bool, typer.Option("--official", help="Score masks with the package davis2017 too and print both.")
        ] = False,
        keep: Annotated[KeepChoice, typer.Option(help="Store class scores for pictures.")] = KeepChoice.none,
        overwrite: Annotated[
            OverwriteChoice,
            typer.Option(
                help="missing: compute what has no record of this code; always: anew; never: take a record of older "
                "code too, compute only where there is none."
            ),
        ] = OverwriteChoice.missing,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        from unlabeled import official as official_module
        from unlabeled import run, screen

        asked: dict[str, Any] = {
            "data": data, "recipe": recipe, "preset": preset, "variant": variant, "settings": _settings(setting or []),
            "limit": limit, "point": point, "weights": weights, "key_map": key_map, "random_weights": random_weights,
            "features": features,
        }  # fmt: skip
        system = _system(method, results, name)
        if dry_run:
            for seed in _seeds(seeds):
                for line in run.preview(system, benchmark, seed=seed, store=store, **asked):
                    screen.out.print(line, markup=False)
            return
        if official:
            official_module.refuse_without(benchmark)
        partial = False
        for seed in _seeds(seeds):
            with screen.Terminal() as watch:
                record = run.evaluate(
                    system, benchmark, seed=seed, store=store, keep=keep.value, overwrite=overwrite.value, watch=watch,
                    device=device, pretrain_data=pretrain_data, **asked,
                )  # fmt: skip
            partial = partial or record.status == "partial"
            _print(record, store, as_json)
            if official:
                for line in official_module.compare(record, Path(data or ""), system):
                    screen.out.print(line, markup=False)
        if partial:
            raise typer.Exit(Exit.PARTIAL)

    return command


def _system(method: str | None, results: Path | None, name: str) -> Any:
    """The method of a name, or the folder of results as one."""
    if (method is None) == (results is None):
        raise WrongCall(
            "give one of --method and --results", "`unlabeled list methods` names the methods; --results takes a folder"
        )
    if results is None:
        if name:
            raise WrongCall("--name names the row of --results", "leave it out, or give --results DIR")
        return method
    from unlabeled.given import GivenResults

    return GivenResults(results, name)


def _print(record: Record, store: Path, as_json: bool) -> None:
    from unlabeled import pages, screen

    if as_json:
        print(json.dumps(dataclasses.asdict(record), ensure_ascii=False))
    else:
        screen.show_record(record, pages.verdicts(record), f"{store}/records/{record.id}.json")
    screen.flush()


def _settings(pairs: list[str]) -> dict[str, str]:
    bad = [pair for pair in pairs if "=" not in pair]
    if bad:
        raise WrongCall(f"--set {bad[0]}", "write it as NAME=VALUE")
    return {pair.partition("=")[0].strip(): pair.partition("=")[2].strip() for pair in pairs}


def _seeds(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts) or len(set(parts)) != len(parts):
        raise WrongCall(f"--seeds {text}", "give different whole numbers separated by commas, such as 11,12,13")
    return [int(part) for part in parts]


for _name in registry.names("benchmarks"):
    app.command(_name, help=registry.find("benchmarks", _name).summary(), rich_help_panel="Benchmarks")(
        _benchmark_command(_name)
    )


# ---------------------------------------------------------------- everything at once


@app.command("run-all")
def run_all(
    grid: Annotated[str, typer.Option(help="tour, home (every method at home) or full (all that fits).")] = "tour",
    data: Data = None,
    preset: Preset = "mini",
    seeds: Seeds = "0",
    store: StoreFolder = STORE,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(help="Processes that take runs in turn.")] = 2,
    trust_reference: Annotated[
        bool, typer.Option("--trust-reference", help="Take the project's own records as cached.")
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Write official results into results/runs as reference records.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Run a grid of methods and benchmarks, print the scoreboard, write leaderboard.md."""
    from unlabeled import grid as grid_module
    from unlabeled import pages, screen
    from unlabeled import workers as workers_module
    from unlabeled.store import Store

    if team.size() > 1:
        raise WrongCall("run-all starts processes of its own", "torchrun is for the command of one benchmark")
    pairs, broken = grid_module.pairs(grid)
    for text in broken:
        screen.err.print(f"left out: {text}", markup=False)
    tasks = [
        workers_module.Task(pair.method, pair.benchmark, pair.recipe, pair.variant, preset, seed, data, device, store,
                            trust_reference)
        for pair in pairs
        for seed in _seeds(seeds)
    ]  # fmt: skip
    if dry_run:
        screen.show_plan(tasks)
        return
    with screen.Terminal() as watch:
        runs = workers_module.run_all(tasks, workers, watch)
        tally = screen.show_grid(runs, Store(store) if refresh else None)
    screen.out.print("\n" + pages.scoreboard(store), markup=False)
    target = pages.write(Path("leaderboard.md"), store, screen.remark)
    screen.out.print(f"{tally.line(len(tasks))}\ntables: {target}", markup=False)
    if tally.exit():
        raise typer.Exit(tally.exit())


# ---------------------------------------------------------------- looking things up


@app.command("list")
def list_names(what: ListChoice) -> None:
    """List methods, benchmarks, datasets or tables."""
    from unlabeled import pages, screen

    if what is ListChoice.tables:
        for line in pages.table_list():
            screen.out.print(line, markup=False)
        return
    kind = cast("registry.Kind", what.value)
    names = registry.names(kind)
    width = max((len(name) for name in names), default=0)
    for name in names:
        screen.out.print(f"{name:<{width}}  {registry.find(kind, name).summary()}", markup=False)
    for fault in registry.faults(kind):
        screen.err.print(f"left out: {fault}", markup=False)


@app.command()
def show(
    name: str,
    store: StoreFolder = STORE,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures of a run; default: in the store.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data root of the run, where it moved since.")] = None,
    results: Annotated[Path | None, typer.Option(help="Folder of results of the run, where it moved since.")] = None,
) -> None:
    """Tell what is known of a system, benchmark, data set, table or run; draw a run's pictures."""
    from unlabeled import pages, published, screen

    if name in published.load().table_ids():
        screen.out.print(pages.table(name, "md", store, screen.remark), markup=False)
        return
    found = None if pages.is_name(name) else pages.find_run(name, store, screen.remark)
    if found is None:
        screen.out.print(pages.show(name), markup=False)
        return
    record, file = found
    screen.show_record(record, pages.verdicts(record), str(file))
    screen.flush()
    _draw(record, file.parent, store, out, data, results)


def _draw(record: Record, folder: Path, store: Path, out: Path | None, data: Path | None, results: Path | None) -> None:
    """Draw the pictures of a run. Who asked for them by an option hears of a fault as such, all others in a word."""
    from unlabeled import screen
    from unlabeled.pictures import draw
    from unlabeled.store import Store

    asked = any(place is not None for place in (out, data, results))
    if record.status == "failed" and not asked:
        return
    out = out or store / "pictures" / record.id
    try:
        with screen.Terminal() as watch:
            drawn = draw.draw(record, folder, Store(store), out, data, results, watch)
    except UnlabeledError as fault:
        if asked:
            raise
        screen.remark(f"no pictures: {fault}")
        return
    for place in drawn:
        screen.out.print(f"{'picture' if place.suffix == '.png' else 'page'}: {place}", markup=False)


@app.command()
def table(
    table_id: Annotated[str, typer.Argument(metavar="ID", help="A name from `unlabeled list tables`.")],
    format: FormatChoice = FormatChoice.md,
    store: StoreFolder = STORE,
) -> None:
    """Print one table of the lectures: published number, our number, what may be said of the difference."""
    from unlabeled import pages, screen

    print(pages.table(table_id, format.value, store, screen.remark), end="")


@app.command()
def leaderboard(
    check: Annotated[bool, typer.Option("--check", help="Remake the tables and compare; nothing is written.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="With --check: stale records fail too.")] = False,
    store: Annotated[Path | None, typer.Option(help="Records of your own to show beside the project's.")] = None,
) -> None:
    """Write leaderboard.md from the project's records, and those of a store, and the published numbers alone."""
    from unlabeled import pages, screen

    if not check:
        target = pages.write(Path("leaderboard.md"), store, screen.remark)
        screen.out.print(f"written: {target}", markup=False)
        return
    differences, stale = pages.check(Path("leaderboard.md"), store)
    for text in stale:
        screen.out.print(f"stale: {text}", markup=False)
    for text in differences:
        screen.out.print(text, markup=False)
    if differences and store is None and STORE.is_dir():
        screen.remark(f"a page that run-all wrote shows its own records too: compare with --store {STORE}")
    if differences or (strict and stale):
        raise typer.Exit(Exit.OTHER)
    screen.out.print("leaderboard.md is what the records say" + (f"; {len(stale)} stale records" if stale else ""))


# ---------------------------------------------------------------- records and methods


@app.command()
def compare(
    run_a: Annotated[str, typer.Argument(metavar="RUN", help="Id of a record, or its beginning.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN", help="Another; `unlabeled results` lists them.")],
    store: StoreFolder = STORE,
    items: Annotated[int, typer.Option(help="How many of the items on which they differ are named.")] = 10,
) -> None:
    """Compare two runs item by item: exact McNemar test, or paired bootstrap; the items on which they differ."""
    from unlabeled import compare as compare_module
    from unlabeled import pages, screen

    found = [pages.find_run(name, store, screen.remark) for name in (run_a, run_b)]
    for name, hit in zip((run_a, run_b), found, strict=True):
        if hit is None:
            raise WrongCall(f"no run begins with {name!r}", "`unlabeled results` lists them by id")
    (a, file_a), (b, file_b) = (hit for hit in found if hit)
    for line in compare_module.lines(compare_module.compare(a, file_a.parent, b, file_b.parent), items):
        screen.out.print(line, markup=False)


@app.command()
def results(
    format: Annotated[
        ExportChoice, typer.Option(help="csv and json go to the screen without --out.")
    ] = ExportChoice.csv,
    out: Annotated[Path | None, typer.Option(help="File to write.")] = None,
    store: StoreFolder = STORE,
) -> None:
    """Export all records as one table, a row for each run and metric, for notebooks."""
    from unlabeled import export, run

    text = export.export(run.results(store), format.value, out)
    print(text or f"written: {out}\n", end="")


@app.command("check-method")
def check_method(
    name: str,
    every: Annotated[bool, typer.Option("--all", help="Show what is in order too.")] = False,
) -> None:
    """Try a method on generated items: shapes, axis order, seeding, labels, values that are no numbers."""
    from unlabeled import check_method as check_module
    from unlabeled import screen

    with screen.Terminal() as watch:
        findings = check_module.check(name, watch)
    for line in check_module.lines(findings, every):
        screen.out.print(line, markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(Exit.OTHER)


@new_app.command("method")
def new_method(
    name: str, out: Annotated[Path | None, typer.Option(help="Folder to make; default: the name.")] = None
) -> None:
    """Write a package with a working method and its test."""
    from unlabeled import screen, skeleton

    folder = out or Path(name)
    for file in skeleton.new_method(name, folder):
        screen.out.print(f"written: {file}", markup=False)
    screen.out.print(f"next: cd {folder} && pip install --no-build-isolation -e . && python -m pytest", markup=False)


# ---------------------------------------------------------------- data and machine


@datasets_app.command("verify")
def verify(
    name: str,
    data: Annotated[Path, typer.Option(help="Data root.")],
    every: Annotated[bool, typer.Option("--all", help="Name every file with a problem.")] = False,
) -> None:
    """Compare a data set on disk with the official counts and lists; look into every file."""
    from unlabeled import screen
    from unlabeled.errors import BadData
    from unlabeled.resolve import readable

    reader = registry.load("datasets", name)
    with readable(data):
        folder = reader.find(data) if data.is_dir() else None
        if folder is None:
            raise BadData(f"{data} holds no {name}" if data.is_dir() else f"{data}: no such data root", reader.where)
    seen = 0
    with screen.Terminal() as watch, readable(data):

        def memo(file: Path, look: Callable[[Path], dict[str, object]]) -> dict[str, object]:
            nonlocal seen
            seen += 1
            watch.step(f"looking through {folder.name}", seen, 0)
            return look(file)

        survey = reader.survey(folder, None, memo)
    screen.out.print(f"{survey.dataset} in {survey.folder} ({survey.layout} layout)", markup=False)
    for key, expected in survey.expected.items():
        mark = "ok" if survey.found.get(key) == expected else "DIFFERS"
        screen.out.print(f"  {key}: {survey.found.get(key)} of {expected}  {mark}", markup=False)
    screen.show_problems(survey.problems, most=len(survey.problems) if every else 3)
    screen.out.print(f"label: {survey.label.text}\nfingerprint: {survey.fingerprint}", markup=False)
    if any(problem.fatal for problem in survey.problems):
        raise typer.Exit(Exit.BAD_DATA)
    if "subset" in survey.label.kinds:
        raise typer.Exit(Exit.PARTIAL)


@datasets_app.command("where")
def where(name: str) -> None:
    """Say how a person gets a data set, and which layouts are accepted."""
    from unlabeled import screen

    screen.out.print(registry.load("datasets", name).where, markup=False)


@app.command()
def doctor(store: StoreFolder = STORE, data: Annotated[Path | None, typer.Option(help="Data root.")] = None) -> None:
    """Print versions, devices, decoders, free disk, plug-ins, and which data is found where."""
    from unlabeled import doctor as doctor_module
    from unlabeled import screen

    for subject, text in doctor_module.report(store, data):
        screen.out.print(f"{subject:<18} {text}", markup=False)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="What to time; default: everything.")] = None,
    seconds: Annotated[float, typer.Option(help="Time for each row.")] = 6.0,
    device: Annotated[str, typer.Option(help="cpu, or cuda for what also runs there.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Write the table to this file too.")] = None,
) -> None:
    """Time our code against the library of the field, in one process, on one thread or one GPU."""
    from unlabeled import bench as bench_module

    chosen = bench_module.named(names or [], device)
    text = bench_module.table([row for name in chosen for row in bench_module.run(name, seconds, device)])
    print(text)
    if out:
        from unlabeled.files import write_atomic

        write_atomic(out, (text + "\n").encode())


def main() -> None:
    """Entry point: an error of ours is its message and its exit status, never a traceback."""
    # One thread is as fast for what runs on the CPU here, equal from run to run, and leaves cores to other
    # processes; a number set by the user stands.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign gets a question mark, not a traceback.
        cast("TextIOWrapper", stream).reconfigure(errors="replace")
    # Faults outside: processes of torchrun that do not find each other.
    with _told(), team.gathered(), _told(), _silent_without_reader():
        app(prog_name="unlabeled")


@contextmanager
def _told() -> Iterator[None]:
    """An error of ours, or an end from outside, becomes its message and its exit status."""
    try:
        yield
    except UnlabeledError as fault:
        from unlabeled import screen

        screen.fault(fault)
        sys.exit(int(fault.exit))
    except KeyboardInterrupt:
        print("interrupted: finished units are kept, the same command goes on", file=sys.stderr)
        sys.exit(130)


@contextmanager
def _silent_without_reader() -> Iterator[None]:
    """The reader of our output left (`| head`): that is no error, and nobody is there to be told anything."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as end:
        # typer and rich make exit status 1 of a broken pipe.
        if not isinstance(end, BrokenPipeError) and not isinstance(end.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
