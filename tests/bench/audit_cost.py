"""What an audit that reads no pixels costs: seconds and memory by size of the file, and by check.

    python tests/bench/audit_cost.py [--annotations 20000 200000] [--parts]

Every size runs in a process of its own, on a COCO file with polygons as real ones have them, beside pycocotools
reading the same file.  The promise: 200,000 annotations in less than 10 s and 500 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PER_IMAGE = 7  # as COCO 2017
CLASSES = 80
POLYGON_POINTS = 25


def write_instances(path: Path, annotations: int, seed: int = 0) -> None:
    """A healthy file of *annotations* boxes with polygons."""
    rng = np.random.default_rng(seed)
    images = max(1, annotations // PER_IMAGE)
    sizes = np.exp(rng.normal(4.2, 0.8, (annotations, 2))).clip(4, 400)
    corners = rng.uniform(0, 1, (annotations, 2)) * (np.array([640, 480]) - sizes)
    boxes = np.concatenate([corners, sizes], axis=1).round(2).tolist()
    polygons = rng.uniform(0, 480, (1000, POLYGON_POINTS * 2)).round(2).tolist()
    classes = (rng.zipf(1.3, annotations) % CLASSES + 1).tolist()
    document = {
        "images": [{"id": i + 1, "file_name": f"{i:012d}.jpg", "width": 640, "height": 480} for i in range(images)],
        "annotations": [
            {
                "id": row + 1,
                "image_id": row % images + 1,
                "category_id": classes[row],
                "bbox": box,
                "area": box[2] * box[3],
                "iscrowd": 0,
                "segmentation": [polygons[row % 1000]],
            }
            for row, box in enumerate(boxes)
        ],
        "categories": [{"id": id + 1, "name": f"class {id}"} for id in range(CLASSES)],
    }
    path.write_text(json.dumps(document))


def one_audit(path: Path) -> None:
    """Audit *path* as the command does; a line with seconds and MB."""
    from dettui.audit.as_json import to_json
    from dettui.audit.audit import audit

    began = time.perf_counter()
    found = audit(str(path))
    json.dumps(to_json(found), allow_nan=False)
    print(time.perf_counter() - began, peak_mb(), len(found.findings))


def one_pycocotools(path: Path) -> None:
    """Read *path* with pycocotools; a line with seconds and MB."""
    from pycocotools.coco import COCO

    began = time.perf_counter()
    COCO(str(path))
    print(time.perf_counter() - began, peak_mb(), 0)


def peak_mb() -> float:
    """Highest resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parts(path: Path) -> None:
    """Seconds of each check."""
    from dettui.audit.audit import CHECKS
    from dettui.audit.policy import DEFAULT
    from dettui.audit.reading.coco import read_coco

    began = time.perf_counter()
    data = read_coco(path, [])
    print(f"{'reading':28} {time.perf_counter() - began:6.2f} s")
    for check in CHECKS:
        began = time.perf_counter()
        found = list(check(data, DEFAULT))
        print(f"{check.__name__:28} {time.perf_counter() - began:6.2f} s  {', '.join(f.id for f in found)}")


def measure(kind: str, path: Path) -> tuple[float, float, int]:
    """Run *kind* on *path* in a fresh process."""
    command = [sys.executable, __file__, f"--{kind}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, mb, findings = done.stdout.splitlines()[-1].split()
    return float(seconds), float(mb), int(findings)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--annotations", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--audit", type=Path)
    parser.add_argument("--pycocotools", type=Path)
    asked = parser.parse_args()
    if asked.audit:
        one_audit(asked.audit)
        return
    if asked.pycocotools:
        one_pycocotools(asked.pycocotools)
        return
    print(
        f"{'annotations':>12} {'file MB':>8} {'audit s':>8} {'MB':>6} {'findings':>9} {'pycocotools s':>14} {'MB':>6}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for annotations in asked.annotations:
            path = Path(folder) / "instances.json"
            write_instances(path, annotations)
            ours, theirs = measure("audit", path), measure("pycocotools", path)
            size = path.stat().st_size / 1e6
            row = f"{annotations:12,} {size:8.0f} {ours[0]:8.2f} {ours[1]:6.0f} {ours[2]:9}"
            print(f"{row} {theirs[0]:14.2f} {theirs[1]:6.0f}")
            if asked.parts:
                parts(path)


if __name__ == "__main__":
    main()
