"""LiteRT files taken apart and put together: outputs in order, graphs in a row."""

from collections.abc import Sequence
from typing import Any


def read(content: bytes) -> Any:
    """Return a `.tflite` as the objects of its schema."""
    from tensorflow.lite.tools import flatbuffer_utils

    return flatbuffer_utils.convert_bytearray_to_object(bytearray(content))


def write(model: Any) -> bytes:
    """Return the objects of the schema as a `.tflite`."""
    from tensorflow.lite.tools import flatbuffer_utils

    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def outputs(model: Any) -> list[str]:
    """Return the names that the signature gives the outputs, in the graph's order."""
    (signature,) = model.signatureDefs
    names = {each.tensorIndex: each.name.decode() for each in signature.outputs}
    return [names[place] for place in model.subgraphs[0].outputs]


def select(content: bytes, names: Sequence[str]) -> bytes:
    """Return a file that has these outputs of its signature alone, in this order.

    The converter orders outputs by itself, and readers of metadata take the first one
    for the classes.
    """
    model = read(content)
    (signature,) = model.signatureDefs
    places = {each.name.decode(): each for each in signature.outputs}
    signature.outputs = [places[name] for name in names]
    model.subgraphs[0].outputs = [places[name].tensorIndex for name in names]
    return write(model)


def join(first: bytes, second: bytes) -> bytes:
    """Return one file that feeds the outputs of one graph to another one.

    What the second takes, by the names of the signatures, are outputs of the first; the
    result has the outputs of both. Each graph keeps its kind of numbers: so a network
    of 8 bits can end in a score that is computed in floating point.
    """
    model, other = read(first), read(second)
    graph, (more,) = model.subgraphs[0], other.subgraphs
    (signature,), (further,) = model.signatureDefs, other.signatureDefs
    given = {each.name: each.tensorIndex for each in signature.outputs}
    tensors = {each.tensorIndex: given[each.name] for each in further.inputs}
    # The first buffer of every file is the empty one.
    buffers = {0: 0}
    for place, tensor in enumerate(more.tensors):
        if place in tensors:
            continue
        if tensor.buffer not in buffers:
            buffers[tensor.buffer] = len(model.buffers)
            model.buffers.append(other.buffers[tensor.buffer])
        tensor.buffer = buffers[tensor.buffer]
        tensor.name = b"second/" + (tensor.name or b"")
        tensors[place] = len(graph.tensors)
        graph.tensors.append(tensor)
    codes = len(model.operatorCodes)
    model.operatorCodes.extend(other.operatorCodes)
    for operation in more.operators:
        operation.opcodeIndex += codes
        # What an operation is not given has the place -1.
        operation.inputs = [tensors.get(place, -1) for place in operation.inputs]
        operation.outputs = [tensors[place] for place in operation.outputs]
        graph.operators.append(operation)
    for each in further.outputs:
        each.tensorIndex = tensors[each.tensorIndex]
        signature.outputs.append(each)
    graph.outputs = [each.tensorIndex for each in signature.outputs]
    return write(model)
