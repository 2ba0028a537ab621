"""Boosted regressors (``GBTRegressionModel``) for onnxmltools 1.16, which converts them as if they were classifiers: their graph ends in
``ArgMax``, so the model says 0 or 1 (onnxmltools issue 703). Here the graph ends with the weighted sum of the trees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MODEL = "pyspark.ml.regression.GBTRegressionModel"


@contextmanager
def mended() -> Iterator[None]:
    """While it lasts, the converter knows boosted regressors; afterwards it is as it was."""
    from onnxmltools.convert.common import _registration as registered
    from onnxmltools.convert.sparkml import operator_converters  # noqa: F401 - registers the stock ones

    stock = registered.get_converter(MODEL), registered.get_shape_calculator(MODEL)
    try:
        registered.register_converter(MODEL, _convert, overwrite=True)
        registered.register_shape_calculator(MODEL, _shapes, overwrite=True)
        yield
    finally:
        registered.register_converter(MODEL, stock[0], overwrite=True)
        registered.register_shape_calculator(MODEL, stock[1], overwrite=True)


def _convert(scope: Any, operator: Any, container: Any) -> None:  # noqa: ANN401 - onnxmltools has no types
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


def _shapes(operator: Any) -> None:  # noqa: ANN401 - onnxmltools has no types
    from onnxmltools.convert.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([operator.inputs[0].type.shape[0], 1])
