from __future__ import annotations

import pytest
import torch
from torch import nn

from labelaudit.errors import InputError
from labelaudit.influence.estimate import dynamic_influence
from labelaudit.influence.leave_one_out import leave_one_out
from labelaudit.influence.queries import ValueQuery, feature_importance, parameter_importance, prediction
from labelaudit.influence.query_loss import QueryLoss, loss_by_class, loss_by_sample
from labelaudit.models.flat import FlatModel
from labelaudit.models.paper import dnn
from labelaudit.models.parts import parameters_of
from labelaudit.progress import ignore
from labelaudit.training.optimizers import SGD
from labelaudit.training.window import Window
from tests.support.data import batches_of, digits
from tests.support.training import flat, plan, train

EXAMPLES = batches_of(*digits((1, 7, 4), 10))
TRAIN, TEST = torch.arange(21), torch.arange(21, 30)
CLASSES = ("one", "seven", "four")


def model_at_start():
    torch.manual_seed(0)
    return flat(dnn(3, 784))


def queries(model):
    inputs, labels = EXAMPLES.batch(TEST)
    names = [f"row {i}" for i in TEST.tolist()]
    return {
        "loss": QueryLoss("loss", EXAMPLES, TEST, 4),
        "calibrated": QueryLoss("calibrated", EXAMPLES, TEST, 4),
        "probability": QueryLoss("probability", EXAMPLES, TEST, 4),
        "margin": QueryLoss("margin", EXAMPLES, TEST, 4),
        "by class": loss_by_class("loss", EXAMPLES, TEST, 4, CLASSES),
        "by sample": loss_by_sample("loss", EXAMPLES, TEST, 4, names),
        "prediction": prediction(model, inputs[:2], names[:2], CLASSES, "seven"),
        "feature importance": feature_importance(model, inputs[:1], int(labels[0]), [14 * 28 + 14, 400]),
        "parameter importance": parameter_importance(model, ["5.weight[1, 3]", "1.bias[4]"]),
        "own": ValueQuery(("squared norm of logits",), lambda theta: model.at(theta, inputs).square().sum()[None]),
    }


def fitted_temperature(query, model):
    query.evaluate(model)
    return query.temperature


@pytest.mark.parametrize("name", queries(model_at_start()))
@pytest.mark.parametrize("window", [Window("last", 3, 6), Window("from start", 3, 6, "start")])
def test_each_query_is_what_retraining_without_the_sample_changes(name, window):
    """Small steps, so that the first order is nearly all; every row's change of every quantity is compared."""
    model = model_at_start()
    model.theta.mul_(4)  # logits so sure of themselves that the fitted temperature is above one
    assert name not in ("calibrated", "probability") or fitted_temperature(queries(model)[name], model) > 1.5
    setting = plan(optimizer=SGD(0.9), epochs=2, batch_size=8, learning_rate=1e-6)
    run = train(model, EXAMPLES, TRAIN, setting, windows="full", keep_moments=True)
    query = queries(model)[name]
    estimated = dynamic_influence(run, window, query, ignore)
    actual = leave_one_out(run, window, query, ignore)
    assert estimated.names == actual.names == query.names
    assert estimated.values.shape == actual.values.shape == (len(query.names), 21)
    assert actual.values.abs().amax() > 0
    assert (estimated.values - actual.values).norm() <= 5e-3 * actual.values.norm()


def test_names_of_groups_and_the_way_a_gradient_is_split_among_them():
    model = model_at_start()
    by_class = loss_by_class("loss", EXAMPLES, TEST[:2], 4, CLASSES)
    assert by_class.names == ("test loss on one", "test loss on seven")
    ids = [f"row {i}" for i in TEST.tolist()]
    assert loss_by_sample("loss", EXAMPLES, TEST, 4, ids).names[0] == "loss on row 21"
    whole = QueryLoss("loss", EXAMPLES, TEST[:2], 4).gradient(model)
    assert torch.allclose(by_class.gradient(model).mean(0), whole[0], rtol=1e-10, atol=1e-15)


def test_what_is_not_there_is_told_by_name():
    model = model_at_start()
    inputs, _ = EXAMPLES.batch(TEST[:1])
    with pytest.raises(InputError, match="there is no class 'five'; there are one, seven, four"):
        prediction(model, inputs, ["row 21"], CLASSES, "five")
    with pytest.raises(InputError, match=r"there is no sample 'x.png'; there are a.png, b.png"):
        loss_by_sample("loss", EXAMPLES, TEST[:2], 4, ("a.png", "b.png"), only=("x.png",))
    assert loss_by_sample("loss", EXAMPLES, TEST[:2], 4, ("a.png", "b.png"), only=("b.png",)).rows.tolist() == [22]
    with pytest.raises(InputError, match=r"no parameter '9.weight\[0\]'; names look like 1.weight\[0, 0\]"):
        parameter_importance(model, ["9.weight[0]"])
    with pytest.raises(InputError, match=r"1.bias has the shape \(8,\); 1.bias\[8\] is not in it"):
        parameter_importance(model, ["1.bias[8]"])
    with pytest.raises(InputError, match=r"feature 784 is outside the input, which has features 0 to 783"):
        feature_importance(model, inputs, 0, [784])
    with pytest.raises(InputError, match=r"gave a tensor of shape \(\); it should have 1 values"):
        ValueQuery(("sum",), lambda theta: theta.sum()).gradient(model)


def test_parameters_that_are_not_tracked_are_refused_and_others_found():
    module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    model = FlatModel(module, torch.device("cpu"), torch.float64, parameters_of(module, "head"))
    with pytest.raises(InputError, match=r"the parameter 0.weight\[0, 1\] is not tracked"):
        parameter_importance(model, ["0.weight[0, 1]"])
    value = parameter_importance(model, ["1.weight[1, 2]"]).value(model)
    assert value.item() == module[1].weight[1, 2].item()
