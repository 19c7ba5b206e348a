"""How often the comparisons of boxes with pixels accuse healthy data, and after how many steps they catch a fault.

    python tests/bench/pairing_power.py                      every law, healthy and with each fault (about 10 minutes)
    python tests/bench/pairing_power.py --laws held-out      the laws that no limit was set on
    python tests/bench/pairing_power.py --photos DIR         and objects and backgrounds cut from the photographs there

A law says what images and boxes look like; the limits were set on half of them.  Each line: the share of wins of every
comparison after all steps, and the step at which the rule accuses ("-": never).  Four images a step, as a run that is
not thinned samples them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from scenarios.build import Setting, run_messages
from scenarios.play import store_of

from dettui.detect.context import Context
from dettui.detect.targets.pairing import pairing
from dettui.detect.targets.policy import DEFAULT_POLICY
from dettui.detect.targets.reading import read_targets
from dettui_probe import tags
from dettui_probe.capture.pairing import Pairing, Scene
from dettui_probe.capture.record import Sheet

IMAGES: Final = 4  # a step
SIDE: Final = 96
STEPS: Final = 400
ASK_EVERY: Final = 10  # steps

Generator = torch.Generator
Background = Callable[[Generator], Tensor]  # (3, SIDE, SIDE)
Painter = Callable[[Tensor, tuple[int, int, int, int], Generator], None]  # paints an object into an image, in place
Layout = Callable[[Generator], Tensor]  # (n, 4) in pixels


class Law(NamedTuple):
    """What images and boxes look like."""

    background: Background
    painter: Painter
    layout: Layout


# --- backgrounds --------------------------------------------------------------------------------------------------


def _rand(generator: Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator)


def noise(generator: Generator) -> Tensor:
    return 0.35 + 0.3 * _rand(generator, 3, SIDE, SIDE)


def plain(generator: Generator) -> Tensor:
    return 0.02 * _rand(generator, 3, SIDE, SIDE) + _rand(generator, 3, 1, 1)


def gradient(generator: Generator) -> Tensor:
    slope = torch.linspace(0, 1, SIDE) * float(_rand(generator, 1) - 0.5)
    return (0.5 + slope[None, :, None] + 0.5 * slope[None, None, :] * _rand(generator, 3, 1, 1)).clone()


def fractal(generator: Generator) -> Tensor:
    """Grey 1/f noise: clouds, ground, foliage."""
    image = torch.zeros(1, 1, SIDE, SIDE)
    for side in (3, 6, 12, 24, 48, 96):
        layer = torch.randn(1, 1, side, side, generator=generator) / side**0.7
        image += torch.nn.functional.interpolate(layer, (SIDE, SIDE), mode="bilinear")
    return (0.5 + 0.4 * image[0]).expand(3, -1, -1) + 0.03 * torch.randn(3, SIDE, SIDE, generator=generator)


def clutter(generator: Generator) -> Tensor:
    """Sixty rectangles that nobody annotated."""
    image = noise(generator)
    for _ in range(60):
        x, y, w, h = (int(v) for v in _rand(generator, 4) * torch.tensor([80.0, 80.0, 25.0, 25.0]))
        image[:, y : y + h + 3, x : x + w + 3] = _rand(generator, 3, 1, 1)
    return image


def stripes(generator: Generator) -> Tensor:
    rows = torch.sin(torch.arange(SIDE) * (0.2 + float(_rand(generator, 1)))) * 0.4 + 0.5
    return rows[None, :, None].expand(3, SIDE, SIDE) + 0.05 * _rand(generator, 3, SIDE, SIDE)


_CAMERA: Final = fractal(torch.Generator().manual_seed(99))


def fixed_camera(generator: Generator) -> Tensor:
    return _CAMERA + 0.03 * torch.randn(3, SIDE, SIDE, generator=generator)


# --- objects ------------------------------------------------------------------------------------------------------


def filled(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    x1, y1, x2, y2 = box
    image[:, y1:y2, x1:x2] = _rand(generator, 3, 1, 1)


def brighter(amount: float) -> Painter:
    def paint(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
        x1, y1, x2, y2 = box
        image[:, y1:y2, x1:x2] += amount

    return paint


def ellipse(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    x1, y1, x2, y2 = box
    rows, columns = torch.linspace(-1, 1, y2 - y1)[:, None], torch.linspace(-1, 1, x2 - x1)[None]
    image[:, y1:y2, x1:x2] = torch.where(rows**2 + columns**2 <= 1, _rand(generator, 3, 1, 1), image[:, y1:y2, x1:x2])


def outline(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    """Only a frame, half of them bright and half dark."""
    x1, y1, x2, y2 = box
    colour = float(_rand(generator, 1) > 0.5)
    for part in (image[:, y1:y2, x1], image[:, y1:y2, x2 - 1], image[:, y1, x1:x2], image[:, y2 - 1, x1:x2]):
        part.fill_(colour)


def rougher(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    """The same mean, more texture."""
    x1, y1, x2, y2 = box
    part = image[:, y1:y2, x1:x2]
    part += 0.25 * torch.randn(part.shape, generator=generator)


def smoother(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    """The same mean, less texture: camouflage, which stands out less than anything around it."""
    x1, y1, x2, y2 = box
    part = image[:, y1:y2, x1:x2]
    part.copy_(part.mean(dim=(1, 2), keepdim=True) + 0.3 * (part - part.mean(dim=(1, 2), keepdim=True)))


def patch_of(background: Background) -> Painter:
    """A patch of another image of the same kind: only its border tells."""

    def paint(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
        x1, y1, x2, y2 = box
        image[:, y1:y2, x1:x2] = background(generator)[:, y1:y2, x1:x2]

    return paint


def glyph(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    """Strokes with gaps, as letters on a page: ink inside, paper around."""
    x1, y1, x2, y2 = box
    image[:, y1:y2, x1:x2] = torch.where(_rand(generator, 1, y2 - y1, x2 - x1) < 0.35, 0.1, image[:, y1:y2, x1:x2])


def shaded(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    """Lit from one side: half brighter, half darker than what is around."""
    x1, y1, x2, y2 = box
    image[:, y1:y2, x1:x2] += torch.linspace(-0.4, 0.4, x2 - x1)[None, None]


def invisible(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
    """Nothing: no check can tell, and no detector can learn."""


def photographs(directory: Path) -> Mapping[str, tuple[Background, Painter]]:
    """Backgrounds and objects cut from the photographs in *directory*, each object from another than its background;
    and grass on gravel, textures of one brightness."""
    from PIL import Image

    def load(name: str) -> Tensor:
        picture = Image.open(directory / name).convert("RGB")
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255

    scenes = [load(name) for name in ("coffee.png", "motorcycle_left.png", "rocket.jpg", "brick.png")]
    things = [load(name) for name in ("chelsea.png", "astronaut.png", "ihc.png", "coins.png")]
    grass, gravel = load("grass.png"), load("gravel.png")

    def cut(sources: Sequence[Tensor]) -> Background:
        def crop(generator: Generator) -> Tensor:
            source = sources[int(torch.randint(len(sources), (1,), generator=generator))]
            side = int(SIDE * (1 + float(_rand(generator, 1)) * (min(source.shape[1:]) / SIDE - 1)))
            y, x = (int(float(_rand(generator, 1)) * (full - side)) for full in source.shape[1:])
            part = source[None, :, y : y + side, x : x + side]
            return torch.nn.functional.interpolate(part, (SIDE, SIDE), mode="area")[0]

        return crop

    def pasted(background: Background) -> Painter:
        def paint(image: Tensor, box: tuple[int, int, int, int], generator: Generator) -> None:
            x1, y1, x2, y2 = box
            small = torch.nn.functional.interpolate(background(generator)[None], (y2 - y1, x2 - x1), mode="area")[0]
            rows, columns = torch.linspace(-1, 1, y2 - y1)[:, None], torch.linspace(-1, 1, x2 - x1)[None]
            image[:, y1:y2, x1:x2] = torch.where(rows**2 + columns**2 <= 1, small, image[:, y1:y2, x1:x2])

        return paint

    return {
        "photo objects on photos": (cut(scenes), pasted(cut(things))),
        "photo crops on the same photos": (cut(things), pasted(cut(things))),
        "grass on gravel": (cut([gravel]), pasted(cut([grass]))),
        "gravel on gravel": (cut([gravel]), pasted(cut([gravel]))),
    }


# --- where boxes lie ----------------------------------------------------------------------------------------------


def layout(least: int, most: int, lowest: float, highest: float) -> Layout:
    """From *least* to *most* boxes anywhere, with sides from *lowest* to *highest* pixels."""

    def place(generator: Generator) -> Tensor:
        count = int(torch.randint(least, most + 1, (1,), generator=generator))
        side = lowest + (highest - lowest) * _rand(generator, count, 2)
        corner = _rand(generator, count, 2) * (SIDE - side)
        return torch.cat([corner, corner + side], dim=1).round()

    return place


def centred(generator: Generator) -> Tensor:
    half = SIDE * (0.2 + 0.2 * _rand(generator, 1, 2))
    middle = SIDE / 2 + 4 * torch.randn(1, 2, generator=generator)
    return torch.cat([middle - half, middle + half], dim=1).clamp(0, SIDE).round()


def under_the_horizon(generator: Generator) -> Tensor:
    boxes = layout(2, 6, 8, 20)(generator)
    boxes[:, [1, 3]] = SIDE / 2 + boxes[:, [1, 3]] / 2
    return boxes.round()


FEW, MANY, SMALL, LARGE = layout(1, 3, 10, 40), layout(8, 8, 8, 30), layout(3, 10, 4, 9), layout(1, 2, 40, 80)

LAWS: Final[Mapping[str, Mapping[str, Law]]] = {
    "set": {
        "colours on noise": Law(noise, filled, MANY),
        "colours on clutter": Law(clutter, filled, FEW),
        "faint on noise": Law(noise, brighter(0.04), FEW),
        "bright on fractal": Law(fractal, brighter(0.1), FEW),
        "rougher on fractal": Law(fractal, rougher, FEW),
        "smoother on noise": Law(noise, smoother, FEW),
        "small on fractal": Law(fractal, filled, SMALL),
        "large on clutter": Law(clutter, filled, LARGE),
        "centred on stripes": Law(stripes, ellipse, centred),
        "fixed camera": Law(fixed_camera, ellipse, FEW),
        "outlines on plain": Law(plain, outline, FEW),
    },
    "held-out": {
        "ellipses on fractal": Law(fractal, ellipse, MANY),
        "bright on clutter": Law(clutter, brighter(0.15), FEW),
        "faint on stripes": Law(stripes, brighter(0.08), FEW),
        "shaded on gradient": Law(gradient, shaded, FEW),
        "shaded on clutter": Law(clutter, shaded, MANY),
        "glyphs on plain": Law(plain, glyph, SMALL),
        "glyphs on noise": Law(noise, glyph, FEW),
        "smoother on fractal": Law(fractal, smoother, FEW),
        "smoother on clutter": Law(clutter, smoother, FEW),
        "outlines on clutter": Law(clutter, outline, FEW),
        "fractal on fractal": Law(fractal, patch_of(fractal), FEW),
        "clutter on clutter": Law(clutter, patch_of(clutter), FEW),
        "rougher on stripes": Law(stripes, rougher, LARGE),
        "centred on fractal": Law(fractal, brighter(0.2), centred),
        "under the horizon": Law(fractal, filled, under_the_horizon),
    },
    "unlearnable": {"nothing on noise": Law(noise, invisible, FEW), "nothing on clutter": Law(clutter, invisible, FEW)},
}
"""Half of the laws were looked at when the limits were set.  On the unlearnable ones there is nothing to see."""


def draw(law: Law, generator: Generator) -> Scene:
    image, boxes = law.background(generator).clone(), law.layout(generator)
    for x1, y1, x2, y2 in boxes.long().tolist():
        law.painter(image, (x1, y1, x2, y2), generator)
    return Scene(image, boxes / SIDE)


# --- faults -------------------------------------------------------------------------------------------------------

Fault = Callable[[list[Scene], list[Scene]], list[Scene]]  # the scenes of a batch, and those of another one


def _with_boxes(scenes: list[Scene], others: list[Scene]) -> list[Scene]:
    return [scene._replace(boxes=other.boxes) for scene, other in zip(scenes, others, strict=True)]


FAULTS: Final[Mapping[str, Fault]] = {
    "healthy": lambda batch, other: batch,
    "boxes of the next in the batch": lambda batch, other: _with_boxes(batch, batch[1:] + batch[:1]),
    "boxes of another batch": _with_boxes,
    "axes swapped": lambda batch, other: [s._replace(boxes=s.boxes[:, [1, 0, 3, 2]]) for s in batch],
    "image flipped, boxes not": lambda batch, other: [
        s._replace(pixels=s.pixels.flip(2)) if i % 2 else s for i, s in enumerate(batch)
    ],
}


class Outcome(NamedTuple):
    """What the rule says of one run."""

    shares: Mapping[str, float]  # wins by comparison
    raised: int | None  # step of the first warning
    said: str  # its title
    told: int | None  # step of the first note


SHARES: Final = {
    "own": (tags.PAIRING_BEATS_OTHER, tags.PAIRING_BOXES),
    "learnt": (tags.PAIRING_LEARNT_WINS, tags.PAIRING_LEARNT_BOXES),
    "batch": (tags.PAIRING_BATCH_FITS, tags.PAIRING_BATCH_BOXES),
    "swap": (tags.PAIRING_SWAP_FITS, tags.PAIRING_SWAP_BOXES),
    "hflip": (tags.PAIRING_HFLIP_FITS, tags.PAIRING_HFLIP_BOXES),
}


def rows_of(law: Law, fault: Fault, steps: int, seed: int) -> Iterator[Mapping[str, float]]:
    """The pairing values of each step."""
    generator, compare = torch.Generator().manual_seed(seed), Pairing()
    for step in range(steps):
        batch = [draw(law, generator) for _ in range(IMAGES)]
        sheet = Sheet(step + 1, 0.0, {}, False)
        compare.compare(sheet, fault(batch, [draw(law, generator) for _ in range(IMAGES)]))
        yield sheet.values


def outcome(law: Law, fault: Fault, steps: int, seed: int) -> Outcome:
    """Ask the rule every few steps."""
    rows = list(rows_of(law, fault, steps, seed))
    names = sorted({name for row in rows for name in row})
    series = {name: np.array([row.get(name, 0.0) for row in rows]) for name in names}
    store = store_of(run_messages(steps, setting=Setting(), **{tags.TARGET_BOXES: 10.0}, **series))
    raised = told = None
    said = ""
    for step in range(ASK_EVERY, steps + 1, ASK_EVERY):
        reading = read_targets(Context(store, step), DEFAULT_POLICY.horizon)
        found = None if reading is None else pairing(reading, DEFAULT_POLICY)
        if found is not None:
            told = told or step
            if found.severity != "info":
                raised, said = step, found.title
                break
    shares = {name: float(series[won].sum() / series[of].sum()) for name, (won, of) in SHARES.items() if of in series}
    return Outcome(shares, raised, said, told)


def main() -> int:
    """Print one line a law and fault; 0 where no healthy law is accused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--laws", nargs="+", choices=LAWS, default=["set", "held-out", "unlearnable"])
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--only", default="", help="part of a law's name")
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    laws = {name: law for group in arguments.laws for name, law in LAWS[group].items()}
    if arguments.photos:
        laws |= {name: Law(*made, FEW) for name, made in photographs(arguments.photos).items()}
    started, accused, runs = time.monotonic(), 0, 0
    print(f"{'law':<32}{'fault':<32}{'warned':>7}{'noted':>7}  " + "".join(f"{name:>8}" for name in SHARES))
    for name, law in laws.items():
        for fault in arguments.faults if arguments.only in name else ():
            for seed in arguments.seeds:
                found = outcome(law, FAULTS[fault], arguments.steps, seed)
                accused += fault == "healthy" and found.raised is not None and name not in LAWS["unlearnable"]
                runs += fault == "healthy"
                cells = "".join(f"{found.shares.get(of, float('nan')):>8.2f}" for of in SHARES)
                print(
                    f"{name:<32}{fault:<32}{found.raised or '-':>7}{found.told or '-':>7}  {cells}  {found.said}",
                    flush=True,
                )
    print(f"{accused} of {runs} healthy runs accused, {time.monotonic() - started:.0f} s")
    return 1 if accused else 0


if __name__ == "__main__":
    sys.exit(main())
