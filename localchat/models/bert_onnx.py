"""BERT as an ONNX graph: from its weights to one vector for each text.

Knows the architecture, no particular model; tensors have the names that Hugging Face gives them.
There is one graph and two ways to multiply: float32 as the weights are, or in 8 bits.

The 8 bits are *static*: the range of what goes into each multiplication is measured beforehand
(``taps``, ``Ranges``), not for each batch as ONNX Runtime's dynamic quantisation does it. So a text
has the same vector whatever else is in its batch. (Dynamic: cosine down to 0.96 between the same
text alone and in a batch, and 0.97 to float32. This: 1.0 and 0.99, at the same speed.) What goes in
is first evened out channel by channel, and the weights are stretched to match, because a few
channels are twenty times as large as the others (SmoothQuant, arXiv 2211.10438).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Weights = Mapping[str, Floats]
Ranges = Mapping[str, tuple[Floats, Floats]]
"""For each multiplication: the smallest and the largest value of each channel that goes in."""

OPSET = 21
MICROSOFT = "com.microsoft"
SMOOTHING = 0.75
"""How far the channels are evened out: 0 not at all, 1 wholly (the weights bear the rest)."""
TINY = 1e-6


@dataclass(frozen=True)
class BertShape:
    """What the weights alone do not tell."""

    layers: int
    heads: int
    width: int
    epsilon: float

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BertShape:
        """Read a ``config.json``; raises ValueError where it is not a plain BERT."""
        kind = (
            config.get("model_type"),
            config.get("hidden_act"),
            config.get("position_embedding_type", "absolute"),
        )
        if kind != ("bert", "gelu", "absolute"):
            raise ValueError(f"not a plain BERT: {kind}")
        return cls(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            width=int(config["hidden_size"]),
            epsilon=float(config["layer_norm_eps"]),
        )


@dataclass(frozen=True)
class Int8:
    """Multiply in 8 bits.

    ``exact`` names multiplications that stay float32. ``unsigned`` stores the weights as uint8:
    slower on a processor with VNNI, but right on one without, where sums of signed ones overflow.
    """

    ranges: Ranges
    exact: Collection[str] = ()
    unsigned: bool = False


def bert_graph(
    weights: Weights, shape: BertShape, int8: Int8 | None = None, *, taps: bool = False
) -> bytes:
    """The serialised model: ``input_ids``, ``attention_mask`` → ``embedding`` (rows of length 1).

    With ``taps`` the graph also puts out what goes into each multiplication, under its name.
    """
    return _Bert(weights, shape, int8, taps).build()


@dataclass
class _Bert:
    weights: Weights
    shape: BertShape
    int8: Int8 | None
    taps: bool
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    tapped: list[str] = field(default_factory=list)

    def build(self) -> bytes:
        from onnx import TensorProto, helper

        x = self.embeddings()
        mask = self.op("Cast", "attention_mask", to=TensorProto.INT32)
        for layer in range(self.shape.layers):
            x = self.layer(f"encoder.layer.{layer}.", x, mask)
        self.pooled(x)
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
            for name in ("input_ids", "attention_mask")
        ]
        width = self.shape.width
        outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", width])]
        outputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self.tapped
        ]
        graph = helper.make_graph(
            self.nodes, "bert", inputs, outputs, list(self.constants.values())
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=10, producer_name="localchat"
        )
        return bytes(model.SerializeToString())

    def embeddings(self) -> str:
        """The sum of word, position and (always the first) segment, normalised."""
        prefix = "embeddings."
        words = self.weights[prefix + "word_embeddings.weight"]
        segment = self.weights[prefix + "token_type_embeddings.weight"][0]
        places = self.weights[prefix + "position_embeddings.weight"] + segment
        if self.int8 is None:
            word = self.op("Gather", self.constant("words", words), "input_ids")
        else:
            word = self.words_in_8_bits(words)
        length = self.op("Shape", "input_ids", start=1, end=2)
        start = self.constant("start", np.array([0], np.int64))
        place = self.op("Slice", self.constant("places", places), start, length)
        return self.normalised(self.op("Add", word, place), prefix + "LayerNorm")

    def words_in_8_bits(self, words: Floats) -> str:
        """Each word's row with a scale of its own: half the file is this table."""
        from onnx import TensorProto

        scales = (np.maximum(np.abs(words).max(axis=1, keepdims=True), TINY) / 127).astype(
            np.float32
        )
        rows = np.round(words / scales).astype(np.int8)
        row = self.op("Gather", self.constant("words", rows), "input_ids")
        scale = self.op("Gather", self.constant("words.scale", scales), "input_ids")
        return self.op("Mul", self.op("Cast", row, to=TensorProto.FLOAT), scale)

    def layer(self, prefix: str, x: str, mask: str) -> str:
        """Attention, then the feed-forward half; each adds to what came in."""
        # 1. Queries, keys and values in one multiplication.
        own = prefix + "attention.self"
        parts = [f"{own}.{part}" for part in ("query", "key", "value")]
        matrix = np.concatenate([self.weights[part + ".weight"].T for part in parts], axis=1)
        bias = np.concatenate([self.weights[part + ".bias"] for part in parts])
        joined = self.linear(x, own, matrix, bias)
        split = self.ops("Split", 3, joined, axis=-1, num_outputs=3)
        # 2. Attention, where padding is not looked at.
        heads = self.shape.heads
        seen = self.op("MultiHeadAttention", *split, "", mask, domain=MICROSOFT, num_heads=heads)
        x = self.added(seen, x, prefix + "attention.output")
        # 3. Feed forward.
        name = prefix + "intermediate.dense"
        wide = self.linear(x, name, self.weights[name + ".weight"].T, self.weights[name + ".bias"])
        return self.added(self.op("Gelu", wide), x, prefix + "output")

    def added(self, x: str, before: str, prefix: str) -> str:
        """One half's way back to the model's width, added to what came in, normalised."""
        name = prefix + ".dense"
        y = self.linear(x, name, self.weights[name + ".weight"].T, self.weights[name + ".bias"])
        return self.normalised(self.op("Add", y, before), prefix + ".LayerNorm")

    def normalised(self, x: str, name: str) -> str:
        gain = self.constant(name + ".weight", self.weights[name + ".weight"])
        shift = self.constant(name + ".bias", self.weights[name + ".bias"])
        return self.op("LayerNormalization", x, gain, shift, epsilon=self.shape.epsilon)

    def pooled(self, x: str) -> None:
        """The sum over the real tokens, at length 1: the mean's direction is the sum's."""
        from onnx import TensorProto, helper

        real = self.op("Cast", "attention_mask", to=TensorProto.FLOAT)
        column = self.op("Unsqueeze", real, self.constant("last", np.array([-1], np.int64)))
        middle = self.constant("middle", np.array([1], np.int64))
        total = self.op("ReduceSum", self.op("Mul", x, column), middle, keepdims=0)
        self.nodes.append(helper.make_node("LpNormalization", [total], ["embedding"], axis=-1, p=2))

    def linear(self, x: str, name: str, matrix: Floats, bias: Floats) -> str:
        """``x`` times ``matrix`` plus ``bias``, in the precision chosen for ``name``."""
        if self.taps:
            self.tapped.append(self.op("Identity", x, output=name))
        if self.int8 is not None and name not in self.int8.exact:
            return self.linear_in_8_bits(self.int8, x, name, matrix, bias)
        y = self.op("MatMul", x, self.constant(name + ".matrix", matrix))
        return self.op("Add", y, self.constant(name + ".bias", bias))

    def linear_in_8_bits(self, int8: Int8, x: str, name: str, matrix: Floats, bias: Floats) -> str:
        low, high = int8.ranges[name]
        # 1. Even out the channels, and stretch the weights to match.
        largest = np.maximum(np.maximum(-low, high), TINY)
        strongest = np.maximum(np.abs(matrix).max(axis=1), TINY)
        even = largest**SMOOTHING / strongest ** (1 - SMOOTHING)
        x = self.op("Mul", x, self.constant(name + ".even", (1 / even).astype(np.float32)))
        stretched = matrix * even[:, None]
        # 2. What goes in: 256 steps over the range that was measured.
        bottom, top = min(0.0, float((low / even).min())), float((high / even).max())
        step = np.float32(max(top - bottom, TINY) / 255)
        zero = np.uint8(np.clip(round(-bottom / float(step)), 0, 255))
        step_name = self.constant(name + ".step", np.asarray(step))
        zero_name = self.constant(name + ".zero", np.asarray(zero))
        steps = self.op("QuantizeLinear", x, step_name, zero_name)
        # 3. The weights: each column with a scale of its own.
        scales = (np.maximum(np.abs(stretched).max(axis=0), TINY) / 127).astype(np.float32)
        shift = 128 if int8.unsigned else 0
        kind = np.uint8 if int8.unsigned else np.int8
        columns = (np.round(stretched / scales) + shift).astype(kind)
        return self.op(
            "MatMulIntegerToFloat",
            steps,
            self.constant(name + ".matrix", columns),
            step_name,
            self.constant(name + ".scales", scales),
            zero_name,
            self.constant(name + ".zeros", np.full(scales.shape, shift, kind)),
            self.constant(name + ".bias", bias),
            domain=MICROSOFT,
        )

    def constant(self, name: str, value: NDArray[Any]) -> str:
        from onnx import numpy_helper

        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        return self.ops(kind, 1, *inputs, output=output, **attributes)[0]

    def ops(
        self, kind: str, count: int, *inputs: str, output: str = "", **attributes: Any
    ) -> list[str]:
        """Append one node; returns the names of its outputs."""
        from onnx import helper

        name = f"{kind}_{len(self.nodes)}"
        outputs = [output] if output else [f"{name}_{number}" for number in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), outputs, name=name, **attributes))
        return outputs
