"""LD219: a Fourier transform runs along the channels, or along an axis of length one."""

from __future__ import annotations

from collections.abc import Iterator

from lossdoctor.domains.dependence import Dependence
from lossdoctor.domains.interpret import Reading
from lossdoctor.graph.ir import Dim, LossGraph
from lossdoctor.ops import TABLE
from lossdoctor.rules.registry import Rule, Suspicion

RULE = Rule(code="LD219", name="spectrum-over-channels", family="shape", severity="warning")

_FLAT = ("fft.fft", "fft.ifft", "fft.rfft", "fft.irfft")
_PLANE = ("fft.fft2", "fft.ifft2", "fft.rfft2", "fft.irfft2")
_COLOURS = 4  # channels of a picture, at most


@RULE.check
def spectrum_over_channels(graph: LossGraph, dependence: Reading[Dependence]) -> Iterator[Suspicion]:
    """TensorFlow transforms the innermost axes, where pictures and sequences of Keras have their channels."""
    if graph.stage != "traced":
        return
    for node in graph.where(*_FLAT, *_PLANE, role="forward"):
        shape = graph[node.args[0]].shape
        if not shape or not dependence[node].on_data or not _has_channels_last(shape, plane=node.op in _PLANE):
            continue
        rank = len(shape)
        axes = f"axes {rank - 2} and {rank - 1}" if node.op in _PLANE else f"axis {rank - 1}"
        rest = "a transposition puts the channels before the places" if shape[-1] != 1 else "drop the last axis first"
        yield RULE.at(
            node,
            f"`{' '.join(node.call.split())}` transforms {axes} of ({', '.join(map(str, shape))}), the last of which "
            f"has the channels: {rest}",
            evidence="proved",
            symptom="places-coupled" if shape[-1] != 1 else "operation-on-shapes",
            arguments={"axis": rank - 1, "types": TABLE.by_name[node.op].tf, "shapes": (shape,)},
            replay="welcome",
        )
        return


def _has_channels_last(shape: tuple[Dim, ...], *, plane: bool) -> bool:
    """Whether the last axis is one of channels: of length one, or few beside two axes of places before it."""
    last = shape[-1]
    if last == 1:
        return len(shape) > 2
    if not plane or len(shape) != 4 or not isinstance(last, int) or last > _COLOURS:
        return False
    return all(isinstance(dim, str) or dim > _COLOURS for dim in shape[1:3])
