"""Pictures show what they are given."""

import ironbound
import numpy as np
import pytest
from conftest import dense
from ironbound import y

matplotlib = pytest.importorskip("matplotlib", reason="SKIPPED LOUDLY: matplotlib is not installed, so no picture was drawn")
matplotlib.use("Agg")

from ironbound import pictures  # noqa: E402


@pytest.fixture
def plane():
    return ironbound.Network(dense([2, 8, 1])[0])


def test_boxes_are_drawn_with_the_colour_of_their_verdict(plane):
    top = float(plane(np.random.default_rng(0).uniform(0, 1, (1000, 2))).max())
    box = [(0.0, 1.0), (0.25, 0.5)]
    verdicts = [(box, ironbound.verify(plane, box, y[0] < top + 1)), (box, ironbound.verify(plane, box, y[0] < top - 10))]
    axes = pictures.decision(plane, (0, 0), (1, 1), verdicts, resolution=20)
    assert [patch.get_label() for patch in axes.patches] == ["holds", "fails"]
    assert axes.patches[0].get_xy() == (0.0, 0.25) and axes.patches[0].get_height() == 0.25
    (cross,) = axes.lines
    assert 0 <= cross.get_xdata()[0] <= 1 and 0.25 <= cross.get_ydata()[0] <= 0.5
    axes.figure.canvas.draw()


def test_classes_are_drawn_where_there_are_several_outputs():
    axes = pictures.decision(dense([2, 8, 3])[0], (0, 0), (1, 1), resolution=10)
    assert set(np.unique(axes.collections[0].get_array())) <= {0, 1, 2}
    with pytest.raises(ValueError, match="2 inputs"):
        pictures.decision(ironbound.Network(dense([3, 2])[0]), (0, 0), (1, 1))


def test_image_counterexample_and_difference_stand_side_by_side():
    image = np.linspace(0, 1, 64)
    found = image.copy()
    found[10] += 0.25
    axes = pictures.counterexample(image, found, labels=("a six", "a five"))
    assert [one.get_title() for one in axes] == ["a six", "a five", "difference, at most 0.25"]
    assert axes[2].images[0].get_array()[1, 2] == pytest.approx(0.25)
    pictures.counterexample(np.zeros((3, 4, 5)), np.ones((3, 4, 5)), (3, 4, 5))
    with pytest.raises(ValueError, match="64 elements, the counterexample 3"):
        pictures.counterexample(image, [1, 2, 3])
    with pytest.raises(ValueError, match="does not hold 64"):
        pictures.counterexample(image, found, (5, 5))


def test_layers_show_every_method(classifier):
    axes = pictures.layers(classifier, [0.1] * 4, [0.2] * 4)
    assert [line.get_label() for line in axes.lines] == ["interval", "crown"]
    interval, crown = (line.get_ydata() for line in axes.lines)
    assert len(interval) == 6 and np.all(np.array(crown) <= np.array(interval) * (1 + 1e-9))


def test_accuracy_falls_with_the_radius(classifier):
    images = np.random.default_rng(2).uniform(0, 1, (6, 4))
    labels = np.argmax(classifier(images), axis=1)
    tables = [ironbound.certify_dataset(classifier, images, labels, eps) for eps in (0.3, 0.0, 0.05)]
    axes = pictures.certified_accuracy(tables)
    line = axes.lines[0]
    assert list(line.get_xdata()) == [0.0, 0.05, 0.3] and np.all(np.diff(line.get_ydata()) <= 0)
    with pytest.raises(ValueError, match="at least one table"):
        pictures.certified_accuracy([])
