"""`unlabeled world`: make the generated sets, check them, look at them, calibrate them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unlabeled.errors import Exit, WrongCall

app = typer.Typer(no_args_is_help=True, help="The generated world: make its sets, check, show and calibrate them.")

STORE = Path(".unlabeled")
Store_ = Annotated[Path, typer.Option("--store", help="Folder of records, journals and made worlds.")]


@app.command("make")
def make_sets(
    out: Annotated[Path, typer.Option(help="Data root to make; readers take it as --data.")],
    preset: Annotated[str, typer.Option(help="nano, mini or small.")] = "mini",
    seed: Annotated[int, typer.Option(help="Master seed.")] = 0,
    sets: Annotated[str, typer.Option(help="Names separated by commas; default: all.")] = "",
    jobs: Annotated[int, typer.Option(help="Processes; what is made does not depend on them.")] = 1,
) -> None:
    """Write generated sets in the official layouts. A killed call goes on where it was."""
    from unlabeled import screen
    from unlabeled.datasets.world import make

    names = [name.strip() for name in sets.split(",") if name.strip()] or list(make.SETS)
    with screen.Terminal() as watch:
        root = make.make(names, preset, seed, out, jobs, lambda done, total: watch.step("items", done, total))
    for name in names:
        screen.out.print(f"{name}: {root / make.SETS[name].folder}", markup=False)


@app.command("check")
def check_sets(folder: Annotated[Path, typer.Argument(help="A data root, or the folder of one set.")]) -> None:
    """Compare every file of generated sets with the manifest beside them."""
    from unlabeled import screen
    from unlabeled.datasets.world import manifest
    from unlabeled.errors import BadData

    found = sorted(file.parent for file in folder.rglob(manifest.NAME)) if folder.is_dir() else []
    if not found:
        raise BadData(f"{folder} holds no generated set", "make one: unlabeled world make --out DIR")
    differing = False
    for place in found:
        differences = manifest.check(place)
        differing = differing or bool(differences)
        screen.out.print(f"{place}: {len(differences)} differences" if differences else f"{place}: ok", markup=False)
        for text in differences:
            screen.out.print(f"    {text}", markup=False)
    if differing:
        raise typer.Exit(Exit.BAD_DATA)


@app.command("show")
def show_sets(
    names: Annotated[list[str] | None, typer.Argument(metavar="SET", help="Sets to show; default: all.")] = None,
    preset: Annotated[str, typer.Option(help="nano, mini or small.")] = "mini",
    seed: Annotated[int, typer.Option(help="Master seed.")] = 0,
    store: Store_ = STORE,
    out: Annotated[Path | None, typer.Option(help="Folder of the page; default: in the store.")] = None,
) -> None:
    """Write a page with ten items of each set, to look at and to listen to."""
    from unlabeled import screen
    from unlabeled.pictures.world import draw
    from unlabeled.store import Store

    with screen.Terminal() as watch:
        page = draw(names or None, preset, seed, Store(store), out or store / "pictures" / "world", watch)
    screen.out.print(f"page: {page}", markup=False)


@app.command("calibrate")
def calibrate_set(
    name: Annotated[str, typer.Argument(metavar="SET", help="A set with a ladder of rungs.")],
    seeds: Annotated[str, typer.Option(help="Master seeds, separated by commas.")] = "1,2,3",
    store: Store_ = STORE,
    out: Annotated[Path | None, typer.Option(help="Folder to keep the table in, such as results/world.")] = None,
) -> None:
    """Run the rungs that need no pretext, and the shortcut checks of a set."""
    from unlabeled import calibrate, screen
    from unlabeled.store import Store

    parts = [part.strip() for part in seeds.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise WrongCall(f"--seeds {seeds}", "give whole numbers separated by commas, such as 1,2,3")
    with screen.Terminal() as watch:
        found = calibrate.calibrate(name, Store(store), watch, [int(part) for part in parts])
    for line in calibrate.lines(found):
        screen.out.print(line, markup=False)
    if out is not None:
        screen.out.print(f"written: {calibrate.write(found, out)}", markup=False)
