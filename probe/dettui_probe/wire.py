"""Every message that a probe sends, to its log and to the agent alike.  WIRE.md is the specification.

Messages are msgpack arrays, tagged by name; fields are only ever appended, with defaults, so that an old reader
reads a new writer and the reverse.  An unknown tag is skipped and counted, never an error.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

MAJOR: Final = 1
MINOR: Final = 4


class Message(msgspec.Struct, array_like=True, gc=False, frozen=True, omit_defaults=False):
    """Base of everything on the wire."""


class Hello(Message, frozen=True, tag="hello"):
    """Who is speaking.  The first message of every log, and of every live stream."""

    version: tuple[int, int]
    run: str  # id of the run; the ranks of one job share it
    boot: str  # 16 hex digits, new at every start of a probe
    rank: int
    world: int
    name: str
    host: str
    host_boot: str  # the kernel's boot id
    pid: int
    pid_start: int  # start time of the process in clock ticks since boot; identifies it together with pid
    started: float  # seconds since the epoch
    argv: list[str]
    cwd: str
    python: str  # sys.executable
    probe_version: str
    config: dict[str, Any] = {}  # plain scalars: what the user passed, environment digest
    class_names: list[str] = []  # index = class id
    total_steps: int | None = None
    steps_per_epoch: int | None = None
    launch: str = ""  # the same for all ranks of one start of the job, "" for a process on its own (since 1.2)
    attempt: int = 0  # how often the launcher has started the job again (since 1.2)
    pid_ns: int = 0  # inode of the namespace in which pid counts, 0 where unknown (since 1.2)
    group: str = ""  # what runs of one sweep or one setting have in common, "" where nobody said so (since 1.3)
    start_step: int = 0  # optimizer steps that a checkpoint brought along, as the user said so (since 1.3)


class Tags(Message, frozen=True, tag="tags"):
    """Names of columns: ``names[i]`` gets the column id ``first + i``.  Sent before the first use."""

    first: int
    names: list[str]


class Block(Message, frozen=True):
    """T rows of the same K columns."""

    columns: list[int]  # K column ids
    steps: bytes  # T little-endian int64
    times: bytes  # T little-endian float64, seconds since the epoch
    values: bytes  # T x K little-endian float64, row by row; NaN and inf as they are


class Batch(Message, frozen=True, tag="b"):
    """The rows since the last batch, grouped by their columns; rows of one block are in order."""

    blocks: list[Block]


class Counts(Message, frozen=True, tag="cnt"):
    """How often each class occurred since the last message of this kind."""

    step: int
    time: float
    kind: str  # "targets" | "predictions"
    classes: list[int]
    counts: list[int]


class Event(Message, frozen=True, tag="ev"):
    """Something that happened once."""

    step: int
    time: float
    kind: str  # lr, epoch, evaluation, checkpoint, warning, nonfinite, bad_target, coverage, thinned, dropped, ...
    text: str
    data: dict[str, Any] = {}  # plain scalars and lists of them


class Model(Message, frozen=True, tag="model"):
    """What is being trained; sent when first seen and when it changes."""

    step: int
    time: float
    family: str  # "torchvision.FasterRCNN", ..., "classification", "unknown"
    num_classes: int | None  # size of the head, background included where it has one
    background: int | None  # the class id kept for background; None where the head has none or is unknown
    parameters: int
    trainable: int
    held: int  # trainable elements that an optimizer holds
    missing: list[str] = []  # names (at most 64) of trainable parameters that no optimizer holds
    strangers: int = 0  # tensors that the optimizer holds and the model does not have
    optimizer: str = ""  # class name
    in_training_mode: bool = True
    box_format: str = ""  # that the head reads: xyxy, xywh, cxcywh, yxyx; "" where unknown
    box_scale: str = ""  # "pixels", or "unit" for shares of the image; "" where unknown
    class_names: list[str] = []  # that the model itself carries, index = class id (since 1.4)


class Beat(Message, frozen=True, tag="hb"):
    """A sign of life of the writer thread, once a second, and the probe's account of itself."""

    time: float
    step: int
    phase: str  # data | forward | backward | optimizer | idle
    overhead: float  # share of the training thread's time since the last beat
    dropped: int  # rows lost so far because the queue was full or the disk refused them
    thinned: dict[str, int] = {}  # instrument -> measured every so many steps


class Bye(Message, frozen=True, tag="bye"):
    """The last message of an orderly end."""

    time: float
    step: int
    reason: str  # "finished" | "exception" | "exit" | "moved": the process turned out to be another rank
    exit_code: int | None = None
    text: str = ""  # the end of the traceback, at most 16 KiB


class Picture(Message, frozen=True):
    """One image as the model was given it, made small, with its boxes as the head reads them."""

    index: int  # in its batch
    width: int  # of the picture, in pixels
    height: int
    rgb: bytes  # height x width x 3 bytes, row by row
    boxes: list[float]  # x1, y1, x2, y2 of one box after the other, in pixels of the picture
    labels: list[int]  # class ids of the boxes, or fewer where the target held fewer
    box_count: int  # that the image was given with; more than are told where they are too many
    image_width: int  # of the image as given, in pixels
    image_height: int
    low: float  # smallest and largest finite value of the image
    high: float
    scaled: bool  # the values lay outside [0, 1] and were stretched: low is black and high is white
    what: list[str] = []  # what cannot be right about its targets: "degenerate" for "targets/degenerate", ...
    file: str = ""  # name or id of the image, where the target carries one


class Pictures(Message, frozen=True, tag="img"):
    """What the model was last given to look at (since 1.1).  With the first batch, then now and then."""

    step: int
    time: float
    pictures: list[Picture]


AnyMessage: TypeAlias = Hello | Tags | Batch | Counts | Event | Model | Beat | Bye | Pictures

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(AnyMessage)


def encode(message: AnyMessage) -> bytes:
    """*message* as msgpack."""
    return _ENCODER.encode(message)


def decode(payload: bytes) -> AnyMessage | None:
    """The message in *payload*; None where it is of an unknown kind or broken.  Never raises."""
    try:
        message: AnyMessage = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return message
