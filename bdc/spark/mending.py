"""What onnxmltools 1.16 converts wrongly, converted rightly.

Boosted regressors (``GBTRegressionModel``): its graph for them is that of classifiers and ends in ``ArgMax``, so the model says 0 or 1
(onnxmltools issue 703). Here the graph ends with the weighted sum of the trees.

``VectorAssembler`` of an index (of ``StringIndexer``) beside numbers: a graph that joins integers with floats, which onnxruntime refuses.

``StringIndexer`` asks the ``SparkContext`` whether this is Spark 2: over Spark Connect there is none (in ``pyspark-client`` not even the
class).
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Step = Callable[[Any, Any, Any], None]
Shapes = Callable[[Any], None]


@contextmanager
def mended() -> Iterator[None]:
    """While it lasts the converter knows better; afterwards it is as it was."""
    with _without_context():
        from onnxmltools.convert.common import _registration as registered

        stock = {name: (registered.get_converter(name), registered.get_shape_calculator(name)) for name in MENDED}
        try:
            _register(MENDED)
            yield
        finally:
            _register(stock)


class _Context:
    """What stands in the place of ``SparkContext``."""

    _active_spark_context = types.SimpleNamespace(version="4.0")


@contextmanager
def _without_context() -> Iterator[None]:
    module = _string_indexer()
    stock, module.SparkContext = module.SparkContext, _Context
    try:
        yield
    finally:
        module.SparkContext = stock


def _string_indexer() -> Any:  # noqa: ANN401 - a module, and so all converters are imported
    import pyspark

    missing = not hasattr(pyspark, "SparkContext")
    if missing:
        pyspark.SparkContext = _Context
    try:
        from onnxmltools.convert.sparkml.operator_converters import string_indexer
    finally:
        if missing:
            del pyspark.SparkContext
    return string_indexer


def _register(converters: Mapping[str, tuple[Step, Shapes]]) -> None:
    from onnxmltools.convert.common import _registration as registered

    for name, (convert, shapes) in converters.items():
        registered.register_converter(name, convert, overwrite=True)
        registered.register_shape_calculator(name, shapes, overwrite=True)


def _boosted(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401 - onnxmltools has no types
    """A regressor for each tree, side by side, times the weights."""
    from onnx import TensorProto
    from onnxmltools.convert.common._apply_operation import apply_concat, apply_matmul
    from onnxmltools.convert.common.data_types import FloatTensorType
    from onnxmltools.convert.sparkml.operator_converters.decision_tree_regressor import convert_decision_tree_regressor
    from onnxmltools.convert.sparkml.ops_names import get_sparkml_operator_name

    model, names = operator.raw_operator, []
    for tree in model.trees:
        one = scope.declare_local_operator(get_sparkml_operator_name(type(tree)), tree)
        one.raw_params, one.inputs = operator.raw_params, operator.inputs
        output = scope.declare_local_variable("tree_prediction", FloatTensorType())
        one.outputs.append(output)
        names.append(output.full_name)
        convert_decision_tree_regressor(scope, one, container)
        one.is_evaluated = True
    weights, predictions = scope.get_unique_variable_name("tree_weights"), scope.get_unique_variable_name("tree_predictions")
    container.add_initializer(weights, TensorProto.FLOAT, [len(model.treeWeights), 1], list(model.treeWeights))
    apply_concat(scope, names, predictions, container, axis=1)
    apply_matmul(scope, [predictions, weights], operator.outputs[0].full_name, container)


def _boosted_shapes(operator: Any) -> None:  # noqa: ANN401 - onnxmltools has no types
    from onnxmltools.convert.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([operator.inputs[0].type.shape[0], 1])


def _assembled(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401 - onnxmltools has no types
    """Side by side, all as floats, as in Spark's vectors."""
    from onnx import TensorProto
    from onnxmltools.convert.common._apply_operation import apply_cast, apply_concat, apply_reshape
    from onnxmltools.convert.common.data_types import FloatTensorType

    names = []
    for given in operator.inputs:
        name = given.full_name
        if not isinstance(given.type, FloatTensorType):
            name = scope.get_unique_variable_name("as_float")
            apply_cast(scope, given.full_name, name, container, to=TensorProto.FLOAT)
            if len(given.type.shape) < 2:  # an index is one value a row, without a second dimension
                flat, name = name, scope.get_unique_variable_name("as_column")
                apply_reshape(scope, flat, name, container, desired_shape=(-1, 1))
        names.append(name)
    apply_concat(scope, names, operator.outputs[0].full_name, container, axis=1)


def _assembled_shapes(operator: Any) -> None:  # noqa: ANN401 - onnxmltools has no types
    from onnxmltools.convert.common.data_types import FloatTensorType

    width = sum(given.type.shape[1] if len(given.type.shape) > 1 else 1 for given in operator.inputs)
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].type.shape[0], width])


MENDED: Mapping[str, tuple[Step, Shapes]] = {
    "pyspark.ml.feature.VectorAssembler": (_assembled, _assembled_shapes),
    "pyspark.ml.regression.GBTRegressionModel": (_boosted, _boosted_shapes),
}
"""Name in onnxmltools → what takes the place of its converter, and of what says how large its outputs are."""
