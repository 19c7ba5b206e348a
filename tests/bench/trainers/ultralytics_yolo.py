"""YOLOv8n from scratch by Ultralytics' own trainer: ``ultralytics_yolo.py [none|other_labels|lr_high]``"""

import sys
import tempfile
from pathlib import Path

from shapes import write_yolo
from ultralytics import YOLO

fault = sys.argv[1] if len(sys.argv) > 1 else "none"
with tempfile.TemporaryDirectory() as folder:
    data = write_yolo(Path(folder), 320, turned=7 if fault == "other_labels" else 0)
    rate = {"optimizer": "SGD", "lr0": 3.0, "warmup_epochs": 0} if fault == "lr_high" else {}
    YOLO("yolov8n.yaml").train(
        data=data, epochs=16, imgsz=96, batch=16, nbs=16, workers=0, device="cpu", plots=False, project=folder, **rate
    )
