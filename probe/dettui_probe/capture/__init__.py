"""What is read off a training loop by hooks alone.

The training thread takes snapshots (clones, strided samples, one fused reduction) and hands them to the recorder;
whatever takes time - box checks, pairing, pixel statistics - happens on the writer thread, on CPU copies.
``attach`` is the one door; importing it imports torch.
"""

from dettui_probe.capture.attach import Capture, attach

__all__ = ["Capture", "attach"]
