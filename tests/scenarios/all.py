"""Every scenario."""

from __future__ import annotations

from scenarios.faulty import FAULTY as FAULTY_DETECTORS
from scenarios.healthy import HEALTHY as HEALTHY_DETECTORS
from scenarios.streams import FAULTY_STREAMS, HEALTHY_STREAMS

FAULTY = (*FAULTY_DETECTORS, *FAULTY_STREAMS)
HEALTHY = (*HEALTHY_DETECTORS, *HEALTHY_STREAMS)
