"""Run by the Python that has openvino: `make DIR` builds two small models, `infer FILE...` runs them.

Standard library, numpy and openvino only; prints JSON.
"""

import json
import pathlib
import sys

import numpy
import openvino

SIZE = 1024  # so that the weights are larger than a chunk


def weights():
    return numpy.random.default_rng(7).standard_normal((SIZE, SIZE)).astype(numpy.float32)


def field(number, value):
    """One field of a protobuf message: an integer, or bytes and text with their length."""

    def varint(n):
        out = b""
        while n > 0x7F:
            out += bytes([n & 0x7F | 0x80])
            n >>= 7
        return out + bytes([n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def onnx_model():
    """y = x * W, written by hand: onnx.proto's ModelProto, of which little is needed."""
    def tensor_type(rows):
        shape = b"".join(field(1, field(1, n)) for n in (rows, SIZE))
        return field(1, field(1, 1) + field(2, shape))  # tensor_type: float, shape

    def value(name):
        return field(1, name) + field(2, tensor_type(1))

    node = field(1, "x") + field(1, "W") + field(2, "y") + field(4, "MatMul")
    initializer = (field(1, SIZE) + field(1, SIZE) + field(2, 1) + field(8, "W")
                   + field(9, weights().tobytes()))
    graph = (field(1, node) + field(2, "g") + field(5, initializer) + field(11, value("x"))
             + field(12, value("y")))
    return field(1, 8) + field(7, graph) + field(8, field(2, 13))


def make(folder):
    folder = pathlib.Path(folder)
    from openvino import opset13 as ops

    x = ops.parameter([1, SIZE], numpy.float32, name="x")
    product = ops.matmul(x, ops.constant(weights()), False, False)
    model = openvino.Model([ops.relu(product)], [x], "small")
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    (folder / "model.onnx").write_bytes(onnx_model())


def infer(path):
    compiled = openvino.Core().compile_model(path, "CPU")
    x = numpy.linspace(-1, 1, SIZE, dtype=numpy.float32).reshape(1, SIZE)
    return next(iter(compiled([x]).values())).tobytes().hex()


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    print(json.dumps([infer(path) for path in sys.argv[2:]]))
