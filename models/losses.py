"""What a network is taught by: one loss over all groups of outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.groups import GROUPS


def loss_function(
    rhythm_weight: float, focal: tuple[float, float] | None = None
) -> Callable[[Any, Any], Any]:
    """Mean over the sigmoid groups + weighted cross-entropy of mate4 where it is labelled.

    focal : (gamma, alpha) of the focal loss (Lin et al., Focal loss for dense object detection,
        2018, 3.2) instead of binary cross-entropy; the four rhythm groups keep cross-entropy
    """
    from keras import ops

    mate4 = GROUPS[0].columns

    def loss(y: Any, logits: Any) -> Any:
        truth, z = y[:, mate4.stop :], logits[:, mate4.stop :]
        if focal is None:
            each = ops.binary_crossentropy(truth, z, from_logits=True)
        else:
            gamma, alpha = focal
            # log p of what is so, and of what is not, without ever taking log 0
            present, absent = ops.log_sigmoid(z), ops.log_sigmoid(-z)
            each = -alpha * truth * ops.exp(gamma * absent) * present
            each -= (1 - alpha) * (1 - truth) * ops.exp(gamma * present) * absent
        log_p = ops.log_softmax(logits[:, mate4], axis=-1)
        rhythm = -ops.sum(y[:, mate4] * log_p, axis=-1)
        return ops.mean(each, axis=-1) + rhythm_weight * rhythm

    return loss
