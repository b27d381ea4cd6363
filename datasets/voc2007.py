"""PASCAL VOC 2007: 9,963 images with boxes around the objects of 20 classes (Everingham et al. 2010).

A box is whole pixels from 1, both corners inside. Objects marked difficult stay in the data: they are no positives,
and detections of them count for nothing. Pictures may be absent, since scoring needs annotations alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unlabeled.contracts import Box, BoxedImage, Label, Memo, Problem, Survey
from unlabeled.datasets import _folders, _labels
from unlabeled.datasets.decode.boxes import read_annotation
from unlabeled.errors import BadData, name_several

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""In the order of the development kit."""

TEST = "test"
LISTS = ("trainval", "train", "val", TEST)
OFFICIAL = {
    "trainval": {"images": 5011, "objects": 15_662, "objects not difficult": 12_608},
    TEST: {"images": 4952, "objects": 14_976, "objects not difficult": 12_032},
}
"""The not difficult ones add up to the 24,640 that are published; the others were counted in the released files."""

RESIZED = "picture of another size"

_FILENAME = re.compile(rb"<filename>\s*([^<]*?)\s*</filename>")


@dataclass(frozen=True)
class _Listed:
    """Ids of each list in its order, the bytes of the list files, what is odd in them."""

    lists: Mapping[str, tuple[str, ...]]
    files: tuple[bytes, ...]
    problems: tuple[Problem, ...]


class Voc2007:
    """Reader of the development kit's layout."""

    id = "voc2007"
    modality = "image"
    world = ""
    where = (
        "VOC 2007 is free: VOCtest_06-Nov-2007.tar (and VOCtrainval_06-Nov-2007.tar) of the PASCAL VOC site,\n"
        "host.robots.ox.ac.uk/pascal/VOC/voc2007. Unpack them in the data root.\n"
        "Accepted below --data as `VOCdevkit/VOC2007` or `VOC2007`, or as --data itself: `Annotations/000001.xml`,\n"
        "`ImageSets/Main/test.txt`, `JPEGImages/000001.jpg` where pictures are wanted."
    )

    def find(self, root: Path) -> Path | None:
        """The VOC2007 folder at or below a data root."""
        return _folders.find(root, ("VOCdevkit/VOC2007", "VOC2007"), _is_voc)

    def survey(self, folder: Path, limit: int | None = None, memo: Memo = _folders.look) -> Survey:
        """All listed images that have an annotation; `limit` keeps the first N of the test list."""
        listed = _read_lists(folder)
        files = {file.stem: file for file in _files(folder / "Annotations", ".xml")}
        pictures = {file.stem: file for file in _files(folder / "JPEGImages", ".jpg")}
        _folders.refuse_leaving(folder, [*files.values(), *pictures.values()])
        stands_in = _stands_in(listed)
        items, problems, parts = [], [*listed.problems], []
        for name in stands_in:
            if name not in files:
                continue
            try:
                facts = memo(files[name], look_at)
            except BadData as fault:
                what = fault.what.removeprefix(f"{files[name]} ")
                problems.append(Problem("unreadable annotation", files[name].name, what))
                continue
            parts.append(f"{name} {facts['sha256']}")
            picture, odd = _picture(pictures.get(name), facts, memo)
            problems += [*_odd_annotation(name, facts), *odd]
            boxes = tuple(Box(kind, tuple(corners), *flags) for kind, corners, flags in facts["objects"])
            items.append(BoxedImage(name, picture, facts["width"], facts["height"], boxes, stands_in[name]))
        problems += _missing(folder, listed, stands_in, files)
        told = _folders.printable(problems)
        found = _found(items)
        kept = items if limit is None else _first(items, limit)
        cut = "" if limit is None else f"first {limit} test images"
        return Survey(
            dataset=self.id,
            folder=folder,
            layout=f"Main lists, {sum(item.path is not None for item in items)} pictures",
            items=tuple(kept),
            classes=CLASSES,
            problems=told,
            expected=_expected(listed),
            found=found,
            label=_labels.settle(_label(found, listed, told), told, cut),
            # Pictures do not count: scores of given detections are the same with and without them.
            fingerprint=_folders.fingerprint(parts, told, listed.files, ""),
        )

    def blank(self) -> Survey:
        """The official classes with no image behind them."""
        return Survey(self.id, Path(), "none", (), CLASSES, (), {}, {}, Label(("subset",), "no data"), "")


# ---------------------------------------------------------------- folders and lists


def _is_voc(folder: Path) -> bool:
    """DAVIS has `Annotations` and `ImageSets` too; other years of VOC have the same lists."""
    other_year = folder.name.startswith("VOC20") and folder.name != "VOC2007"
    packed = folder.name == "VOC2007" and ((folder / "Annotations").is_dir() or bool(_folders.archives(folder)))
    return not other_year and ((folder / "ImageSets" / "Main").is_dir() or packed)


def _files(folder: Path, suffix: str) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix == suffix) if folder.is_dir() else []


def read_list(folder: Path, name: str) -> tuple[str, ...]:
    """Ids of a list (`test`, `trainval`, ...) in its order, each once; none where there is no such list."""
    return _read_lists(folder).lists.get(name, ())


def _read_lists(folder: Path) -> _Listed:
    lists, contents, problems = {}, [], []
    for name in LISTS:
        file = folder / "ImageSets" / "Main" / f"{name}.txt"
        if not file.is_file():
            continue
        _folders.refuse_leaving(folder, [file])
        content = file.read_bytes()
        try:
            # Lists of one class have a label behind each id, some of them two blanks away.
            ids = [line.split()[0] for line in content.decode().splitlines() if line.strip()]
        except UnicodeDecodeError:
            problems.append(Problem("unreadable list", file.name, "it is no text"))
            continue
        contents.append(content)
        lists[name] = tuple(dict.fromkeys(ids))
        twice = sorted(image for image, n in Counter(ids).items() if n > 1)
        if twice:
            text = f"{len(twice)} images stand there twice and count once: {name_several(twice, 4)}"
            problems.append(Problem("duplicates", file.name, text, fatal=False))
    both = sorted(set(lists.get("trainval", ())) & set(lists.get(TEST, ())))
    if both:
        text = f"{len(both)} images are in both: {name_several(both, 4)}"
        problems.append(Problem("training images in the test list", "trainval and test", text, fatal=False))
    return _Listed(lists, tuple(contents), tuple(problems))


def _stands_in(listed: _Listed) -> dict[str, tuple[str, ...]]:
    """The lists of each listed image, in order of ids."""
    lists: dict[str, tuple[str, ...]] = {}
    for name, ids in listed.lists.items():
        for image in ids:
            lists[image] = (*lists.get(image, ()), name)
    return dict(sorted(lists.items()))


# ---------------------------------------------------------------- what is there


def look_at(file: Path) -> dict[str, Any]:
    """Size, hash and objects of an annotation: `[class, corners, [difficult, truncated]]` each."""
    annotation = read_annotation(file)
    content = file.read_bytes()
    named = _FILENAME.search(content)
    return {
        "width": annotation.width,
        "height": annotation.height,
        "sha256": hashlib.sha256(content).hexdigest(),
        "filename": named[1].decode(errors="replace") if named else "",
        "objects": [[o.name, [*o.box], [o.difficult, o.truncated]] for o in annotation.objects],
    }


def picture_size(file: Path) -> dict[str, Any]:
    """Width and height of a picture; only its header is read."""
    try:
        with Image.open(file, formats=("JPEG",)) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as fault:
        raise BadData(f"{file} is no JPEG picture ({type(fault).__name__})") from fault
    return {"width": width, "height": height}


def _picture(file: Path | None, facts: Mapping[str, Any], memo: Memo) -> tuple[Path | None, list[Problem]]:
    """The picture of an annotation, unless it is unreadable; and what is odd about it."""
    if file is None:
        return None, []
    try:
        size = memo(file, picture_size)
    except BadData as fault:
        what = fault.what.removeprefix(f"{file} ")
        return None, [Problem("unreadable picture", file.name, what, fatal=False)]
    if (size["width"], size["height"]) == (facts["width"], facts["height"]):
        return file, []
    text = f"{size['width']} x {size['height']}, its annotation says {facts['width']} x {facts['height']}"
    return file, [Problem(RESIZED, file.name, text, fatal=False)]


def _odd_annotation(name: str, facts: Mapping[str, Any]) -> list[Problem]:
    """Classes that VOC has not, boxes that leave the image, the file name of another image."""
    file, problems = f"{name}.xml", []
    unknown = sorted({kind for kind, _, _ in facts["objects"]} - set(CLASSES))
    if unknown:
        problems.append(Problem("unknown class", file, name_several(unknown, 4)))
    width, height = facts["width"], facts["height"]
    outside = [
        f"{kind} {' '.join(map(str, corners))}"
        for kind, corners, _ in facts["objects"]
        if corners[0] < 1 or corners[1] < 1 or corners[2] > width or corners[3] > height
    ]
    if outside:
        problems.append(Problem("box outside the image", file, f"{name_several(outside, 4)} in {width} x {height}"))
    if facts["filename"] and Path(facts["filename"]).stem != name:
        text = f"it says that it is of {facts['filename']}"
        problems.append(Problem("file name of another image", file, text, fatal=False))
    return problems


def _missing(
    folder: Path, listed: _Listed, stands_in: Mapping[str, Sequence[str]], files: Mapping[str, Path]
) -> list[Problem]:
    """Lists and annotations that are not there, and the archives that may hold them."""
    problems = []
    if not listed.lists:
        text = f"none of {', '.join(f'{name}.txt' for name in LISTS)}"
        hint = _folders.to_unpack(*_folders.archives(folder, "ImageSets"))
        problems.append(Problem("no lists", "ImageSets/Main", f"{text}{hint}"))
    lacking = [image for image in stands_in if image not in files]
    hint = _folders.to_unpack(*_folders.archives(folder, "Annotations"))
    if lacking and len(lacking) == len(stands_in):
        problems.append(Problem("no annotations", "Annotations", f"no XML file of a listed image{hint}"))
    elif lacking:
        of = {name: len(set(ids) - set(files)) for name, ids in listed.lists.items()}
        where = ", ".join(f"{n} of {len(listed.lists[name])} {name}" for name, n in of.items() if n)
        text = f"no XML file of {len(lacking)} listed images ({where}): {name_several(lacking, 4)}{hint}"
        problems.append(Problem("missing annotations", "Annotations", text, fatal=False))
    return problems


def annotation(folder: Path, image: str) -> Path:
    """Where the annotation of an image is."""
    return folder / "Annotations" / f"{image}.xml"


def missing_annotation_hint(folder: Path) -> str:
    """What to do where annotations of listed images are not there."""
    packed = _folders.archives(folder, "Annotations")
    return f"get all of Annotations{_folders.to_unpack(*packed)}"


def _found(items: Sequence[BoxedImage]) -> dict[str, int]:
    found = {}
    for name in OFFICIAL:
        mine = [item for item in items if name in item.lists]
        found[f"{name} images"] = len(mine)
        found[f"{name} objects"] = sum(len(item.boxes) for item in mine)
        found[f"{name} objects not difficult"] = sum(not box.difficult for item in mine for box in item.boxes)
    return found


def _expected(listed: _Listed) -> dict[str, int]:
    """The official counts of the test list, and of trainval where it is there."""
    return {
        f"{name} {what}": count
        for name, counts in OFFICIAL.items()
        if name == TEST or name in listed.lists
        for what, count in counts.items()
    }


def _label(found: Mapping[str, int], listed: _Listed, problems: Sequence[Problem]) -> Label:
    """Official are all images of the test list with all their objects; the trainval half comes apart from it."""
    ids = listed.lists.get(TEST, ())
    there = found[f"{TEST} images"]
    altered = []
    if ids and len(ids) != OFFICIAL[TEST]["images"]:
        altered.append(f"a test list of {len(ids)} images, not {OFFICIAL[TEST]['images']}")
    elif there == len(ids) > 0:
        altered += [
            f"{found[f'{TEST} {what}']} {what}, not {count}"
            for what, count in OFFICIAL[TEST].items()
            if found[f"{TEST} {what}"] != count
        ]
    if any(problem.kind == RESIZED for problem in problems):
        altered.append("pictures of another size than their annotations")
    full = max(len(ids), OFFICIAL[TEST]["images"])
    return _labels.of_files(altered, f"{there or 'none'} of {full} test images" if there < full else "")


def _first(items: Sequence[BoxedImage], limit: int) -> list[BoxedImage]:
    """The first images of the test list, and all that are not in it: only test images are scored."""
    first = {item.id for item in [item for item in items if TEST in item.lists][:limit]}
    return [item for item in items if TEST not in item.lists or item.id in first]


DATASET = Voc2007()
