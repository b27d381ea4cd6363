"""Every constant that sets how hard a synthetic set is, one frozen dataclass a set, with its version.

A version that ends in `@w0` is not calibrated: its numbers are not kept. Only the rungs of calibration
(chance, hand-crafted, random trunk, supervised) may move a knob, never the score of a pretext.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PRESETS = ("nano", "mini", "small")


@dataclass(frozen=True)
class Esc50Size:
    """One preset of `esc50`: `clips` is the number for each kind and fold, `rate` in Hz.

    `esc10` are the kinds of the small set inside; with gaps, as in the official list, where the preset has
    kinds enough.
    """

    kinds: int
    clips: int
    seconds: float
    rate: int
    esc10: tuple[int, ...]


_ESC10 = (0, 1, 2, 4, 5, 9, 12, 13, 15, 17)


@dataclass(frozen=True)
class Esc50Knobs:
    """Ranges are those of uniform draws, none of which depends on the class.

    snr_db        : voice over ambience, power of the voice over its active stretch
    pitch_octaves : an individual's pitch is that of its kind times 2 ** U(-x, x)
    channel_db    : standard deviation of the random gain at six frequencies
    active        : share of the clip in which events start
    reverb_s      : time constant of the reverberation
    level_db      : RMS of the finished clip, dB of full scale
    peak_db       : largest peak that the limiter lets through, dB over the RMS
    """

    version: str = "esc50@w1"
    snr_db: tuple[float, float] = (-2.0, 8.0)
    pitch_octaves: float = 0.8
    channel_db: tuple[float, float] = (6.0, 9.0)
    active: tuple[float, float] = (0.3, 1.0)
    reverb_s: tuple[float, float] = (0.02, 0.15)
    level_db: tuple[float, float] = (-26.0, -18.0)
    peak_db: tuple[float, float] = (14.0, 17.5)
    sizes: Mapping[str, Esc50Size] = field(
        default_factory=lambda: {
            "nano": Esc50Size(kinds=10, clips=2, seconds=2.0, rate=8000, esc10=tuple(range(10))),
            "mini": Esc50Size(kinds=20, clips=4, seconds=5.0, rate=8000, esc10=_ESC10),
            "small": Esc50Size(kinds=50, clips=8, seconds=5.0, rate=22050, esc10=_ESC10),
        }
    )


ESC50 = Esc50Knobs()


@dataclass(frozen=True)
class Dcase2013Size:
    """One preset of `dcase2013`: `clips` is the number for each scene, in either set; `rate` in Hz."""

    clips: int
    seconds: float
    rate: int


@dataclass(frozen=True)
class Dcase2013Knobs:
    """Ranges are those of uniform draws, none of which depends on the class.

    voices        : number of distant voices, both ends included
    snr_db        : each voice over the ambience, power of the voice over its active stretch
    pitch_octaves : as in `esc50`
    active        : share of the clip in which events of a voice start
    reverb_s      : time constant of the reverberation of the voices
    pan           : angle of a voice to either side; at pi / 4 it is heard in one channel alone
    width         : angle between the two channels of the ambience: 0 is mono, pi / 4 unlike channels
    channel_db    : standard deviation of the random gain at six frequencies, the same for both channels
    fade_s        : fade at either end of a clip
    balance_db    : level of the left over the right channel of the finished clip
    level_db      : RMS of the finished clip, dB of full scale
    peak_db       : largest peak that the limiter lets through, dB over the RMS
    """

    version: str = "dcase2013@w1"
    voices: tuple[int, int] = (2, 4)
    snr_db: tuple[float, float] = (-8.0, 2.0)
    pitch_octaves: float = 0.8
    active: tuple[float, float] = (0.3, 1.0)
    reverb_s: tuple[float, float] = (0.15, 0.5)
    pan: float = 0.4
    width: tuple[float, float] = (0.15, 0.6)
    channel_db: tuple[float, float] = (2.0, 4.0)
    fade_s: float = 1.0
    balance_db: tuple[float, float] = (-3.0, 3.0)
    level_db: tuple[float, float] = (-27.0, -20.0)
    peak_db: tuple[float, float] = (14.0, 17.5)
    sizes: Mapping[str, Dcase2013Size] = field(
        default_factory=lambda: {
            "nano": Dcase2013Size(clips=2, seconds=3.0, rate=8000),
            "mini": Dcase2013Size(clips=6, seconds=3.0, rate=8000),
            "small": Dcase2013Size(clips=10, seconds=30.0, rate=22050),
        }
    )


DCASE2013 = Dcase2013Knobs()


@dataclass(frozen=True)
class FilmSize:
    """Clips of one preset: frames, and pixels across and down."""

    frames: int
    width: int
    height: int


@dataclass(frozen=True)
class FilmKnobs:
    """How clips of actions look, the same for each class. Ranges are those of uniform draws.

    Lengths are in pixels of a frame of 64 rows, and grow with the frame; `period` is in frames of a clip of
    48, and grows with the clip.

    contrast    : of the ground
    ground      : its brightness, of that of the scene: objects stand out from a darker one
    size        : of an object's sprite
    period      : of the programme
    rise        : share of the period that the slow way takes
    pan, shake  : standard deviation of the camera's speed and of its random steps, a frame
    light       : standard deviation of the logarithm of a frame's gain
    noise       : standard deviation of the sensor, of 255
    distractors : other objects, that belong to the ground
    fps         : frames a second
    quantiser   : of Motion-JPEG
    """

    contrast: float = 0.6
    ground: float = 0.65
    size: tuple[float, float] = (26.0, 32.0)
    period: tuple[float, float] = (24.0, 34.0)
    rise: tuple[float, float] = (0.75, 0.85)
    pan: float = 0.15
    shake: float = 0.15
    light: float = 0.03
    noise: float = 3.0
    distractors: int = 0
    fps: int = 25
    quantiser: int = 6


_FILMS = {"nano": FilmSize(24, 40, 32), "mini": FilmSize(48, 80, 64), "small": FilmSize(64, 160, 128)}


@dataclass(frozen=True)
class Ucf101Size:
    """One preset of `ucf101`: numbers of reversal pairs, of control classes, of clips for each class and group."""

    pairs: int
    controls: int
    clips: int
    film: FilmSize


@dataclass(frozen=True)
class Ucf101Knobs:
    """`kinds` are the numbers of those that act."""

    version: str = "ucf101@w1"
    kinds: tuple[int, ...] = tuple(range(12))
    film: FilmKnobs = FilmKnobs()
    sizes: Mapping[str, Ucf101Size] = field(
        default_factory=lambda: {
            "nano": Ucf101Size(pairs=5, controls=2, clips=1, film=_FILMS["nano"]),
            "mini": Ucf101Size(pairs=5, controls=2, clips=3, film=_FILMS["mini"]),
            "small": Ucf101Size(pairs=10, controls=4, clips=8, film=_FILMS["small"]),
        }
    )


UCF101 = Ucf101Knobs()


@dataclass(frozen=True)
class Hmdb51Size:
    """One preset of `hmdb51`: numbers of pairs and controls; of a class, of clips by their role in a split."""

    pairs: int
    controls: int
    train: int
    test: int
    unused: int
    film: FilmSize

    @property
    def clips(self) -> int:
        """Clips of a class."""
        return self.train + self.test + self.unused


@dataclass(frozen=True)
class Hmdb51Knobs:
    """Other kinds than in `ucf101`, before a camera that moves three times as much, beside another object."""

    version: str = "hmdb51@w1"
    kinds: tuple[int, ...] = tuple(range(25, 37))
    film: FilmKnobs = FilmKnobs(pan=0.45, shake=0.45, distractors=1)
    sizes: Mapping[str, Hmdb51Size] = field(
        default_factory=lambda: {
            "nano": Hmdb51Size(pairs=3, controls=2, train=4, test=2, unused=1, film=_FILMS["nano"]),
            # Smaller pictures and more clips than at first: from 14 a class the trunk learns the clips by heart.
            "mini": Hmdb51Size(pairs=3, controls=2, train=56, test=24, unused=4, film=FilmSize(48, 60, 48)),
            "small": Hmdb51Size(pairs=6, controls=4, train=70, test=30, unused=2, film=_FILMS["small"]),
        }
    )


HMDB51 = Hmdb51Knobs()


@dataclass(frozen=True)
class Davis2017Size:
    """One preset of `davis2017`: numbers of sequences, frames of each, pixels across and down."""

    train: int
    val: int
    frames: int
    width: int
    height: int


@dataclass(frozen=True)
class Davis2017Knobs:
    """Lengths are in pixels of a frame of 72 rows, and grow with the frame. Ranges are those of uniform draws.

    kinds     : the first so many
    objects   : most objects of a sequence
    twins     : share of sequences with two objects or more in which two are of one kind
    occluded  : share of sequences in which something crosses an object
    clutter   : number of things on the ground
    apart     : least distance of two objects in the first frame, as a share of the sum of their sizes
    size      : of a thing's sprite
    speed     : factor on 0.12 .. 0.25 radians a frame of the sines of a path
    reach     : amplitude of these sines, as a share of the frame
    turn      : standard deviation of the turning speed, radians a frame
    swell     : most that the size changes, as a share
    shear     : most deformation
    pan       : standard deviation of the camera's speed, a frame
    shake     : its random steps, standard deviation
    contrast  : of the ground
    shadow    : how much darker and brighter a drifting shadow makes the picture, as a share
    drift     : of the shadow, radians a frame, standard deviation
    light     : standard deviation of the logarithm of a frame's gain
    noise     : standard deviation of the sensor, of 255
    quality   : of JPEG
    """

    version: str = "davis2017@w1"
    kinds: int = 16
    objects: int = 3
    twins: float = 0.35
    occluded: float = 0.7
    clutter: int = 2
    apart: float = 0.4
    size: tuple[float, float] = (24.0, 40.0)
    speed: float = 2.2
    reach: tuple[float, float] = (0.04, 0.2)
    turn: float = 0.04
    swell: float = 0.2
    shear: float = 0.1
    pan: float = 0.5
    shake: tuple[float, float] = (0.1, 0.6)
    contrast: float = 0.6
    shadow: tuple[float, float] = (0.05, 0.25)
    drift: float = 0.1
    light: float = 0.08
    noise: float = 5.0
    quality: int = 92
    sizes: Mapping[str, Davis2017Size] = field(
        default_factory=lambda: {
            "nano": Davis2017Size(train=4, val=3, frames=10, width=64, height=40),
            "mini": Davis2017Size(train=24, val=16, frames=24, width=128, height=72),
            "small": Davis2017Size(train=60, val=30, frames=48, width=256, height=144),
        }
    )


DAVIS2017 = Davis2017Knobs()


@dataclass(frozen=True)
class JhmdbSize:
    """One preset of `jhmdb`: numbers of actions, of clips of each, of frames; pixels across and down."""

    actions: int
    clips: int
    frames: int
    width: int
    height: int


@dataclass(frozen=True)
class JhmdbKnobs:
    """Lengths are in pixels of a frame of 60 rows, and grow with the frame. Ranges are those of uniform draws.

    height    : of the puppet, as a share of the frame
    tempo     : of the phase of an action, radians a frame
    pan       : standard deviation of the camera's speed, a frame
    tilt      : its vertical speed as a share: more would lose the puppet, which is nearly as high as the frame
    shake     : random steps of the camera, standard deviation
    contrast  : of the ground
    clutter   : number of things on the ground
    size      : of their sprites
    light     : standard deviation of the logarithm of a frame's gain
    noise     : standard deviation of the sensor, of 255
    fps       : of the videos
    quantiser : of Motion JPEG
    """

    version: str = "jhmdb@w1"
    height: tuple[float, float] = (0.72, 0.95)
    tempo: tuple[float, float] = (1.0, 1.6)
    pan: float = 1.2
    tilt: float = 0.25
    shake: float = 0.15
    contrast: float = 0.6
    clutter: int = 3
    size: tuple[float, float] = (14.0, 26.0)
    light: float = 0.03
    noise: float = 3.0
    fps: int = 25
    quantiser: int = 6
    sizes: Mapping[str, JhmdbSize] = field(
        default_factory=lambda: {
            "nano": JhmdbSize(actions=3, clips=6, frames=10, width=48, height=36),
            "mini": JhmdbSize(actions=6, clips=10, frames=16, width=80, height=60),
            "small": JhmdbSize(actions=21, clips=40, frames=32, width=160, height=120),
        }
    )


JHMDB = JhmdbKnobs()


@dataclass(frozen=True)
class PoolSize:
    """One preset of `pool`: numbers of clips and of kinds in them; pixels across and down; `rate` in Hz."""

    clips: int
    kinds: int
    width: int
    height: int
    rate: int


@dataclass(frozen=True)
class PoolKnobs:
    """Lengths are in pixels of a frame of 64 rows, and grow with the frame. Ranges are those of uniform draws.

    situations    : shares of clips whose sounding thing is seen, is off-screen, stands beside a silent one
    size          : of a thing's sprite
    apart         : least distance of two things in the first frame, as a share of the sum of their sizes
    reach, speed  : of the sines of a path: share of the frame, radians a frame
    turn          : standard deviation of the turning speed, radians a frame
    pulse, fall_s : factor on the size when a sound begins, time constant of its fall
    pan, shake    : standard deviation of the camera's speed and of its random steps, a frame
    contrast      : of the ground
    light         : standard deviation of the logarithm of a frame's gain
    noise         : standard deviation of the sensor, of 255
    pitch_octaves, active, reverb_s, channel_db, snr_db, level_db, peak_db : as in `esc50`
    quantiser     : of MPEG-4
    """

    version: str = "pool@w1"
    seconds: float = 2.5
    fps: int = 8
    situations: tuple[float, float, float] = (0.7, 0.15, 0.15)
    size: tuple[float, float] = (24.0, 36.0)
    apart: float = 0.45
    reach: float = 0.12
    speed: tuple[float, float] = (0.1, 0.4)
    turn: float = 0.05
    pulse: float = 1.25
    fall_s: float = 0.12
    pan: float = 0.3
    shake: float = 0.2
    contrast: float = 0.6
    light: float = 0.03
    noise: float = 3.0
    pitch_octaves: float = 0.8
    active: tuple[float, float] = (0.5, 1.0)
    reverb_s: tuple[float, float] = (0.02, 0.15)
    channel_db: float = 6.0
    snr_db: tuple[float, float] = (-4.0, 6.0)
    level_db: tuple[float, float] = (-26.0, -18.0)
    peak_db: tuple[float, float] = (14.0, 17.5)
    quantiser: int = 3
    sizes: Mapping[str, PoolSize] = field(
        default_factory=lambda: {
            "nano": PoolSize(clips=24, kinds=10, width=40, height=32, rate=8000),
            "mini": PoolSize(clips=700, kinds=20, width=80, height=64, rate=8000),
            "small": PoolSize(clips=20000, kinds=50, width=160, height=128, rate=22050),
        }
    )


POOL = PoolKnobs()


@dataclass(frozen=True)
class ImagenetFolderSize:
    """One preset of `imagenet_folder`: numbers of kinds, of pictures of each in either part; pixels of a side."""

    kinds: int
    train: int
    val: int
    pixels: int


@dataclass(frozen=True)
class ImagenetFolderKnobs:
    """Lengths are shares of a picture's side. Ranges are those of uniform draws.

    size     : of a thing's sprite
    tilt     : how far it may lean to either side, radians
    border   : what is kept free of it at the border
    contrast : of the ground
    light    : standard deviation of the logarithm of the gain
    noise    : standard deviation of the sensor, of 255
    quality  : of JPEG
    """

    version: str = "imagenet_folder@w0"
    size: tuple[float, float] = (0.35, 0.7)
    tilt: float = 0.2618
    border: float = 0.03
    contrast: float = 0.8
    light: float = 0.15
    noise: float = 4.0
    quality: int = 85
    sizes: Mapping[str, ImagenetFolderSize] = field(
        default_factory=lambda: {
            "nano": ImagenetFolderSize(kinds=6, train=6, val=3, pixels=32),
            "mini": ImagenetFolderSize(kinds=20, train=50, val=10, pixels=64),
            "small": ImagenetFolderSize(kinds=50, train=500, val=50, pixels=128),
        }
    )


IMAGENET_FOLDER = ImagenetFolderKnobs()
