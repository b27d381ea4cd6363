"""Video files as containers: whether they are whole, and which of their streams belong together."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import av
from av.container import InputContainer
from av.stream import Disposition

from unlabeled.errors import BadData

CONTAINERS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,asf,flv,ogg"
"""What may be opened: FFmpeg would show a letter as a film of its text, and follow lists that name other files."""

_Stream = TypeVar("_Stream", av.VideoStream, av.AudioStream)

_AGAIN = "copy or download the file again"
_BOXES = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx", b"mfra"}


# ---------------------------------------------------------------- is the file whole?


def check(path: Path) -> None:
    """Refuse a file that is missing, no regular file, empty, or shorter than its container says; nothing is decoded.

    AVI and MP4 (MOV, 3GP) state their length. A cut in other containers shows only where a frame cannot be decoded.

    Raises
    ------
    BadData : names the file and what is wrong with it.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadData(f"{path} is no regular file", "put the video file there")
        with path.open("rb") as file:
            fault = _fault(file, status.st_size)
    except FileNotFoundError:
        raise BadData(f"{path} is missing", "check the data folder") from None
    except OSError as error:
        raise BadData(f"{path} cannot be opened: {error.strerror}") from error
    if fault:
        raise BadData(f"{path} {fault}", _AGAIN)


def _fault(file: BinaryIO, size: int) -> str:
    """What is wrong with the container, empty if nothing is."""
    if size == 0:
        return "is empty"
    magic = file.read(12)
    if magic[:4] == b"RIFF" and magic[8:] == b"AVI ":
        return _avi_fault(file, size)
    return _mp4_fault(file, size) if magic[4:8] in _BOXES else ""


def _avi_fault(file: BinaryIO, size: int) -> str:
    """What is wrong with the RIFF parts of an AVI file (large files have several), empty if nothing is."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        kind, length = file.read(4), int.from_bytes(file.read(4), "little")
        if kind != b"RIFF":  # foreign bytes behind: HMDB-51 fills its files up with zeros
            break
        end = start + 8 + length
        if end > size:
            return f"is cut off: its header promises {end} bytes, it has {size}"
        start = end + (length & 1)
    return ""


def _mp4_fault(file: BinaryIO, size: int) -> str:
    """What is wrong with the boxes of an MP4 or MOV file, empty if nothing is."""
    kinds: set[bytes] = set()
    start = 0
    while start + 8 <= size:
        file.seek(start)
        length, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if kind not in _BOXES and {b"moov", b"mdat"} <= kinds:
            break  # foreign bytes behind
        if length == 1:  # the length follows in 64 bits
            length = int.from_bytes(file.read(8), "big")
        end = start + length if length else size
        if end > size:
            return f"is cut off: its {kind!r} box ends at byte {end}, it has {size}"
        if end < start + 8:
            return f"is damaged: its {kind!r} box claims {length} bytes"
        kinds.add(kind)
        start = end
    return "" if b"moov" in kinds else "is cut off: it has no moov box"


# ---------------------------------------------------------------- streams


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """The container of a checked file; whatever FFmpeg says becomes BadData.

    A Python file is handed over, since FFmpeg takes names for patterns and addresses (`%03d`, `a:b`) and PyAV cannot
    encode every one. Names and titles inside a file may be in any encoding.
    """
    check(path)
    try:
        with (
            path.open("rb") as file,
            av.open(file, "r", options={"format_whitelist": CONTAINERS}, metadata_errors="ignore") as container,
        ):
            yield container
    except av.ArgumentError as fault:
        raise BadData(f"{path} is not a video file", "AVI, MP4, MOV, WebM, MKV and MPEG are read") from fault
    except (av.FFmpegError, OSError) as fault:
        raise BadData(f"{path} cannot be decoded: {fault.strerror}", _AGAIN) from fault


def picture(container: InputContainer, path: Path, pair: int) -> av.VideoStream:
    """Video stream number `pair`, to be decoded on one thread: many files at once is what workers are for."""
    films = _films(container)
    if not films:
        raise BadData(f"{path} has no video stream")
    return _decodable(_numbered(films, pair, path), path)


def sound(container: InputContainer, path: Path, pair: int) -> av.AudioStream | None:
    """The sound that belongs to video stream number `pair`.

    As many sounds as videos: the one of the same number. Otherwise the first one after the video, or the last
    before it where none follows. Without videos the sounds are numbered.
    """
    films, sounds = _films(container), list(container.streams.audio)
    if not sounds:
        return None
    if films and len(sounds) != len(films):
        film = _numbered(films, pair, path)
        return _decodable(next((sound for sound in sounds if sound.index > film.index), sounds[-1]), path)
    return _decodable(_numbered(sounds, pair, path), path)


def _films(container: InputContainer) -> list[av.VideoStream]:
    """Video streams; the cover picture of a song is none."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def _numbered(streams: Sequence[_Stream], pair: int, path: Path) -> _Stream:
    if not 0 <= pair < len(streams):
        raise BadData(f"{path} has {len(streams)} video streams with their sound, there is no number {pair}")
    return streams[pair]


def _decodable(stream: _Stream, path: Path) -> _Stream:
    if stream.codec_context is None:
        raise BadData(f"{path}: no decoder for the codec of stream {stream.index}", "convert it to H.264 with AAC")
    stream.codec_context.thread_count = 1
    return stream
