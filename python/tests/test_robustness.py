"""Robustness of one image, the largest radius, a data set."""

import json
import pickle
import sys

import ironbound
import numpy as np
import pytest
from conftest import dense


@pytest.fixture(scope="module")
def images(request):
    dice = np.random.default_rng(2)
    return dice.uniform(0, 1, (20, 4))


@pytest.fixture(scope="module")
def labels(images, classifier):
    return np.argmax(classifier(images), axis=1)


def test_the_largest_radius_lies_between_proof_and_counterexample(classifier, images, labels):
    radius = ironbound.largest_radius(classifier, images[0], labels[0], precision=1e-3, clip=None, most=4.0)
    assert 0 < radius.certified < radius.refuted <= radius.certified + 1e-3
    assert ironbound.robustness(classifier, images[0], labels[0], radius.certified, clip=None)
    assert np.max(np.abs(radius.counterexample.reshape(-1) - images[0])) <= radius.refuted + 1e-6
    assert np.argmax(radius.counterexample.output) != labels[0]


def test_an_image_that_is_classified_wrongly_has_radius_zero(classifier, images, labels):
    wrong = (int(labels[0]) + 1) % 3
    radius = ironbound.largest_radius(classifier, images[0], wrong)
    assert radius.certified == 0 and radius.refuted == 0 and radius.counterexample is not None


def test_a_data_set_has_nominal_and_certified_accuracy(classifier, images, labels):
    targets = labels.copy()
    targets[3] = (targets[3] + 1) % 3
    table = ironbound.certify_dataset(classifier, images, targets, 0.01, workers=2)
    assert len(table) == 20 and table.nominal == 0.95 and 0 < table.certified <= 0.95
    assert table[3].verdict == "fails" and [row.index for row in table] == list(range(20))
    one_by_one = [ironbound.robustness(classifier, x, t, 0.01).verdict for x, t in zip(images, targets)]
    assert [row.verdict for row in table] == one_by_one
    assert "20 images at eps 0.01" in repr(table) and "<table>" in table._repr_html_()


def test_a_run_is_resumed_where_it_stopped(classifier, images, labels, tmp_path):
    journal = tmp_path / "run.jsonl"
    whole = ironbound.certify_dataset(classifier, images, labels, 0.01, resume=journal)
    lines = journal.read_text().splitlines()
    assert len(lines) == 21
    # As after an interruption: half of the lines, the last one cut short, one marked to see that it is taken over.
    taken = json.loads(lines[1]) | {"reason": "taken over"}
    journal.write_text("\n".join([lines[0], json.dumps(taken), *lines[2:10], lines[10][:15]]) + "\n")
    resumed = ironbound.certify_dataset(classifier, images, labels, 0.01, resume=journal)
    assert [row.verdict for row in resumed] == [row.verdict for row in whole]
    assert resumed[taken["index"]].reason == "taken over" and len(journal.read_text().splitlines()) == 22
    with pytest.raises(ValueError, match="another network, data set, eps"):
        ironbound.certify_dataset(classifier, images, labels, 0.02, resume=journal)
    with pytest.raises(ValueError, match="another network"):
        ironbound.certify_dataset(ironbound.Network(dense([4, 16, 16, 3], seed=9)[0]), images, labels, 0.01, resume=journal)


def test_a_table_is_written_as_csv(classifier, images, labels, tmp_path):
    ironbound.certify_dataset(classifier, images[:2], labels[:2], 0.01).to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[0].startswith("index,label,predicted,verdict")


def test_a_table_becomes_a_data_frame(classifier, images, labels):
    pandas = pytest.importorskip("pandas", reason="SKIPPED LOUDLY: pandas is not installed, so no data frame was made")
    table = ironbound.certify_dataset(classifier, images[:3], labels[:3], 0.01)
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and list(frame["verdict"]) == [row.verdict for row in table]


def test_a_robustness_query_is_certified(classifier, images, labels):
    result = ironbound.robustness(classifier, images[0], labels[0], 0.005, certify=True)
    assert result and result.certificate is not None and result.certificate.check().startswith("holds")


def test_wrong_data_sets_are_refused(classifier, images, labels):
    with pytest.raises(ValueError, match="are not 19 images of 4 elements|numbers are not"):
        ironbound.certify_dataset(classifier, images, labels[:19], 0.01)
    with pytest.raises(ValueError, match="workers=0"):
        ironbound.certify_dataset(classifier, images, labels, 0.01, workers=0)


def test_ray_gives_the_same_table(classifier, images, labels, tmp_path):
    ray = pytest.importorskip("ray", reason="SKIPPED LOUDLY: Ray cannot be imported, so backend='ray' was not tested")
    try:
        journal = tmp_path / "run.jsonl"
        table = ironbound.certify_dataset(classifier, images, labels, 0.01, workers=2, backend="ray", resume=journal)
        assert len(journal.read_text().splitlines()) == 21
    finally:
        ray.shutdown()
    threads = ironbound.certify_dataset(classifier, images, labels, 0.01)
    assert [(row.index, row.verdict, row.margin) for row in table] == [(row.index, row.verdict, row.margin) for row in threads]


def test_a_backend_that_is_not_there_is_refused(classifier, images, labels, monkeypatch):
    with pytest.raises(ValueError, match="backend='mpi': use 'threads' or 'ray'"):
        ironbound.certify_dataset(classifier, images, labels, 0.01, backend="mpi")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install ironbound\[ray\]"):
        ironbound.certify_dataset(classifier, images, labels, 0.01, backend="ray")


def test_a_network_is_the_same_in_another_process(classifier, images):
    again = pickle.loads(pickle.dumps(classifier))
    assert (again(images) == classifier(images)).all() and again.native.source == classifier.native.source
