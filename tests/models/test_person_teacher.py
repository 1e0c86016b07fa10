"""COCO's network as the teacher of people: its answers, and what the loss makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ultralytics.cfg import get_cfg

from models.classes import FIRE, PERSON
from models.coco_init import begin_alike, coco_network, hazard_network
from models.loss import _KnownCrossEntropy
from models.person_teacher import onward, open_teacher
from models.prepare import COCO_WEIGHTS
from models.shipped import WEIGHTS
from tests.models.conftest import COCO

pytestmark = [pytest.mark.train, pytest.mark.skipif(not COCO.is_file(), reason=f"no {COCO_WEIGHTS}")]
SIDE = 96


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(7).random((2, 3, SIDE, SIDE), np.float32))


def test_the_teacher_says_for_each_anchor_what_coco_says_of_people(pictures: torch.Tensor) -> None:
    with torch.no_grad():
        answer = coco_network(COCO).eval()(pictures)[0]
    said = open_teacher(COCO).scores(pictures, 0)
    assert said.shape == (2, (SIDE // 8) ** 2 + (SIDE // 16) ** 2 + (SIDE // 32) ** 2)
    assert torch.allclose(said, answer[:, 4], atol=1e-5)


def test_frozen_layers_computed_once_serve_teacher_and_pupil(pictures: torch.Tensor) -> None:
    pupil, teacher = hazard_network(COCO).eval(), open_teacher(COCO)
    entered = pictures
    with torch.no_grad():
        for layer in pupil.model[:4]:
            entered = layer(entered)
        assert torch.allclose(onward(pupil, entered, 4)[0], pupil(pictures)[0], atol=1e-4)
    assert torch.allclose(teacher.scores(entered, 4), teacher.scores(pictures, 0), atol=1e-5)


def test_predictions_that_are_only_judged_cost_without_the_teacher_too(pictures: torch.Tensor) -> None:
    """Ultralytics judges once more when the time is up; the last epoch was lost to it."""
    network = hazard_network(COCO)
    network.args = get_cfg()
    network.teacher = str(COCO)
    batch = {
        "img": pictures,
        "im_file": ["one.jpg", "two.jpg"],
        "batch_idx": torch.zeros(1),
        "cls": torch.full((1, 1), float(FIRE)),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4]]),
    }
    taught, _ = network.loss(dict(batch))
    judged, _ = network.loss(dict(batch), network(pictures))
    assert torch.isfinite(taught).all()
    assert torch.isfinite(judged).all()


def test_the_loss_pulls_people_to_the_teacher_and_fire_to_its_label() -> None:
    scores = torch.zeros(1, 3, 4, requires_grad=True)
    targets = torch.zeros(1, 3, 4)
    targets[0, 0, FIRE] = 1
    targets[0, 1, PERSON] = 1
    loss = _KnownCrossEntropy()
    loss.people = torch.tensor([[0.0, 0.5, 0.9]])
    loss(scores, targets).sum().backward()
    assert scores.grad is not None
    assert scores.grad[0, :, PERSON].tolist() == pytest.approx([0.5, 0.0, -0.4])
    assert scores.grad[0, :, FIRE].tolist() == pytest.approx([-0.5, 0.5, 0.5])
    assert targets[0, 1, PERSON] == 1, "the labels themselves stay"


def test_what_the_teacher_says_counts_as_often_as_asked_and_the_other_classes_once() -> None:
    gradients = []
    for weight in (1.0, 2.0):
        scores = torch.zeros(1, 3, 4, requires_grad=True)
        loss = _KnownCrossEntropy(weight)
        loss.known, loss.people = torch.ones(1, 4), torch.tensor([[0.0, 0.5, 0.9]])
        loss(scores, torch.zeros(1, 3, 4)).sum().backward()
        assert scores.grad is not None
        gradients.append(scores.grad[0])
    assert gradients[1][:, PERSON].tolist() == pytest.approx((2 * gradients[0][:, PERSON]).tolist())
    assert gradients[1][:, FIRE].tolist() == gradients[0][:, FIRE].tolist()


def test_layers_that_were_frozen_in_training_are_known_as_the_teachers() -> None:
    assert begin_alike(COCO, COCO, 22)
    assert begin_alike(WEIGHTS, COCO, 4), "trained with four layers frozen"
    assert not begin_alike(WEIGHTS, COCO, 5)
