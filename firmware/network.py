"""The interpreter adapter: LiteRT or tflite-runtime behind one class, with the same results.

LiteRT would run int8 through XNNPACK, which rounds otherwise than tflite-runtime's kernels by up
to 22 steps; without that delegate both give the same bits on x86-64 and differ by one step on
64-bit Arm, at under a millisecond more.
"""

from __future__ import annotations

import importlib
import math
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import Bundle, OutputGroup
from firmware.call import CallRule
from firmware.tensor import of_counts

Scores = dict[str, dict[str, float]]

_INSTALL = "install Lead12 again; in a checkout: make clean setup"
SAME_STEP = 1e-3  # of a step: calibration gives it as nearly


class Runtime(StrEnum):
    """Where the interpreter comes from, in the order of preference."""

    LITERT = "ai_edge_litert"
    TFLITE_RUNTIME = "tflite_runtime"


class NetworkError(RuntimeError):
    """The network cannot run here; the message is one line: what is wrong and what to do."""


class Network:
    """One network, loaded and ready.

    threads : of the interpreter
    runtime : None takes what is installed, LiteRT first
    reference : slow kernels that give the same bits on every processor; golden vectors are
        written with them

    Raises NetworkError when no interpreter is installed or the installed one refuses the model.
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int = 1,
        *,
        runtime: Runtime | None = None,
        reference: bool = False,
    ) -> None:
        self.bundle = bundle
        self.runtime, interpreter = _interpreter_module(runtime)
        self.rule = _rule(bundle)
        kernels = interpreter.OpResolverType
        try:
            self._interpreter = interpreter.Interpreter(
                model_content=bundle.model,
                num_threads=threads,
                experimental_op_resolver_type=(
                    kernels.BUILTIN_REF if reference else kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                ),
            )
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise NetworkError(
                f"{self.runtime} refuses the model of {bundle.id}: {reason}"
            ) from None
        shape = (1, *bundle.input.shape)
        width = sum(len(group.labels) for group in bundle.groups)
        _expect(bundle, "input", inputs, shape)
        _expect(bundle, "output", outputs, (1, width))
        _same_measure(bundle, *inputs[0]["quantization"])
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]
        self._scale, self._zero = outputs[0]["quantization"]

    def run(self, tensor: NDArray[np.int8]) -> Scores:
        """Calibrated probabilities of a tensor as the bundle's input: {group: {label: 0..1}}.

        A softmax group sums to 1; in a sigmoid group each label stands alone.
        """
        logits = self.logits(tensor)
        return {group.name: self._probabilities(group, logits) for group in self.bundle.groups}

    def logits(self, tensor: NDArray[np.int8]) -> NDArray[np.int8]:
        """The network's raw output, int8 [outputs]. Raises NetworkError for another input."""
        wanted = self.bundle.input.shape
        if tensor.dtype != np.int8 or tensor.shape != wanted:
            raise NetworkError(f"the tensor is {tensor.dtype} {tensor.shape}; pass int8 {wanted}")
        self._interpreter.set_tensor(self._input, tensor[None])
        self._interpreter.invoke()
        out: NDArray[np.int8] = self._interpreter.get_tensor(self._output)[0]
        return out

    def dequantised(self, logits: NDArray[np.int8]) -> NDArray[np.float64]:
        """What int8 logits of any shape stand for."""
        out: NDArray[np.float64] = (logits.astype(np.float64) - self._zero) * self._scale
        return out

    def self_test(self) -> None:
        """Golden vectors through filters and network. Raises NetworkError on the first miss.

        Counts to tensor must agree bit for bit; logits within the bundle's tolerance, which is
        what kernels of other processors may differ by.
        """
        for golden in self.bundle.golden:
            if not np.array_equal(self.tensor(golden.counts), golden.tensor):
                raise NetworkError(
                    f"self-test {golden.name}: the filters do not give the bundle's tensor here; "
                    "use a bundle made for this firmware"
                )
            off = np.abs(self.logits(golden.tensor).astype(int) - golden.logits).max()
            if off > self.bundle.tolerance:
                raise NetworkError(
                    f"self-test {golden.name}: the network is off by {off} steps, "
                    f"{self.bundle.tolerance} are allowed; use another bundle, or reinstall "
                    f"{self.runtime} when none passes"
                )

    def tensor(self, counts: NDArray[np.int32]) -> NDArray[np.int8]:
        """The newest input of raw counts [n, 8], from a fresh start, all leads valid."""
        return of_counts(counts, self.bundle.input)

    def _probabilities(self, group: OutputGroup, logits: NDArray[np.int8]) -> dict[str, float]:
        columns = logits[group.first : group.first + len(group.labels)]
        z = (self.dequantised(columns) / group.temperature).tolist()
        if group.activation == "softmax":
            e = [math.exp(value - max(z)) for value in z]
            p = [value / sum(e) for value in e]
        else:
            p = [1 / (1 + math.exp(-value)) for value in z]
        # Rounded beyond what int8 resolves, so that no libm shows
        return {label: round(value, 6) for label, value in zip(group.labels, p, strict=True)}


def installed() -> tuple[Runtime, ...]:
    """The interpreters that can be imported here, in the order of preference."""
    found = []
    for runtime in Runtime:
        try:
            importlib.import_module(f"{runtime}.interpreter")
        except ImportError:
            continue
        found.append(runtime)
    return tuple(found)


def _interpreter_module(wanted: Runtime | None) -> tuple[Runtime, Any]:
    for runtime in (wanted,) if wanted else Runtime:
        try:
            module = importlib.import_module(f"{runtime}.interpreter")
        except ImportError:
            continue
        if runtime is Runtime.TFLITE_RUNTIME and int(np.__version__.split(".")[0]) >= 2:
            raise NetworkError(
                f"tflite-runtime does not work with NumPy {np.__version__}; {_INSTALL}"
            )
        return runtime, module
    name = wanted or "ai-edge-litert or tflite-runtime"
    raise NetworkError(f"no interpreter: {name} is not installed; {_INSTALL}")


def _expect(
    bundle: Bundle, side: str, details: list[dict[str, Any]], shape: tuple[int, ...]
) -> None:
    found = [(np.dtype(item["dtype"]).name, tuple(map(int, item["shape"]))) for item in details]
    if found != [("int8", shape)]:
        raise NetworkError(f"{side} of {bundle.id} is {found}, its manifest says int8 {shape}")


def _same_measure(bundle: Bundle, scale: float, zero: int) -> None:
    """A network that reads its steps otherwise than they are made would be wrong without a sign."""
    step = bundle.input.step
    if zero != bundle.input.zero or abs(scale / step - 1) > SAME_STEP:
        raise NetworkError(
            f"input of {bundle.id} is in steps of {scale:g} from {zero}, its manifest says "
            f"{step:g} from {bundle.input.zero}; use another bundle"
        )


def _rule(bundle: Bundle) -> CallRule:
    group = next(group for group in bundle.groups if group.name == bundle.call_group)
    return CallRule(
        model=bundle.id,
        group=group.name,
        texts=group.texts,
        thresholds=group.thresholds,
        findings=bundle.findings,
        fusion=bundle.fusion,
    )
