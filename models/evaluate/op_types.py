"""What a network in a .tflite file is made of: operators and their types, products, parameters.

Read from the file, not run: ``python -m models.evaluate.op_types FILE...`` (.tflite or .l12).
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware.archive import BundleError
from firmware.bundle import Bundle
from firmware.tflite_file import ModelFacts, Step, TensorFacts, inspect

_KERNELS = {"CONV_2D", "FULLY_CONNECTED"}  # filters [outputs, ..., inputs]


@dataclass(frozen=True)
class OpTypes:
    """operators : how often each occurs

    not_int8 : of these, the ones that read or write another type, weights apart: {"MUL float32":
        n}. Constants of whole numbers (biases, shapes) count as int8's own.
    unknown : ones that the firmware does not allow; Flex and custom operators are among them
    macs : multiply-accumulates of convolutions, dense layers and products of matrices, in one run
    parameters : values of quantised constants, as often as the file holds them
    bytes : of the file
    """

    operators: dict[str, int]
    not_int8: dict[str, int]
    unknown: dict[str, int]
    macs: int
    parameters: int
    bytes: int


def op_types(model: bytes) -> OpTypes:
    """Raises NetworkFileError when it is no sound .tflite file."""
    facts = inspect(model)
    other: Counter[str] = Counter()
    for step in facts.steps:
        other.update(f"{step.name} {name}" for name in _other_types(facts, step))
    return OpTypes(
        operators=dict(facts.operators),
        not_int8=dict(other),
        unknown={name: n for name, n in facts.operators.items() if "operator " in name},
        macs=sum(_macs(facts, step) for step in facts.steps),
        parameters=sum(
            math.prod(one.shape) for one in facts.tensors if one.constant and one.scales
        ),
        bytes=len(model),
    )


def _other_types(facts: ModelFacts, step: Step) -> set[str]:
    touched = [facts.tensors[i] for i in step.reads + step.writes if i >= 0]
    return {one.type for one in touched if one.type != "int8" and not _whole_constant(one)}


def _whole_constant(tensor: TensorFacts) -> bool:
    return tensor.constant and tensor.type in ("int32", "int64")


def _macs(facts: ModelFacts, step: Step) -> int:
    """Each output is a sum of so many products."""
    if step.name not in _KERNELS | {"DEPTHWISE_CONV_2D", "BATCH_MATMUL"}:
        return 0
    first, second = (facts.tensors[i].shape for i in step.reads[:2])
    out = facts.tensors[step.writes[0]].shape
    if step.name in _KERNELS:
        products = math.prod(second[1:])
    elif step.name == "DEPTHWISE_CONV_2D":
        products = math.prod(second[1:3])
    else:  # whichever way round the file holds it, [rows, products]
        products = math.prod(first[-2:]) // out[-2]
    return math.prod(out) * products


def _main(paths: list[str]) -> int:
    for path in map(Path, paths):
        try:
            data = path.read_bytes()
            model = Bundle.from_bytes(data).model if path.suffix == ".l12" else data
            print(json.dumps({"file": path.name} | asdict(op_types(model))))
        except (OSError, BundleError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
