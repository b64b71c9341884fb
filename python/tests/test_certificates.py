"""Certificates: accepted by the independent checker, rejected when anything is changed."""

from dataclasses import replace

import ironbound
import numpy as np
import pytest
from conftest import dense
from ironbound import y
from ironbound.onnx_editing import without_softmax
from ironbound.onnx_writer import Model

BOX = [(0.1, 0.3)] * 4


@pytest.fixture(scope="module")
def proved(classifier):
    lower, upper = ironbound.bounds(classifier, [0.1] * 4, [0.3] * 4, "alpha")
    # Just above the range that bounds alone show, so that the proof has branches at times.
    result = ironbound.verify(classifier, BOX, y[0] <= float(upper[0, 0]) + 0.01, certify=True)
    assert result and result.certificate is not None, result
    return result


def test_a_proof_comes_with_a_certificate_that_the_checker_accepts(proved, tmp_path):
    certificate = proved.certificate
    assert certificate.check() == certificate.shown and certificate.shown.startswith(f"holds ({proved.semantics})")
    assert "certificate: holds" in str(proved) and proved.semantics in ("both", "real")
    certificate.save(tmp_path / "proof")
    files = [(tmp_path / "proof" / name).read_bytes() for name in ("network.onnx", "query.vnnlib", "proof.cert")]
    assert ironbound.check_certificate(*files) == certificate.shown
    # The files stand for the question: the program reads them too.
    assert ironbound.verify(tmp_path / "proof/network.onnx", tmp_path / "proof/query.vnnlib")


def test_any_other_network_query_or_byte_is_rejected(proved):
    certificate = proved.certificate
    other = dense([4, 16, 16, 3], seed=1)[0]
    with pytest.raises(ValueError, match="another network"):
        ironbound.check_certificate(other, certificate.query, certificate.proof)
    with pytest.raises(ValueError, match="another query"):
        ironbound.check_certificate(certificate.network, certificate.query + b" ", certificate.proof)
    for size in (0, 10, len(certificate.proof) - 1):
        with pytest.raises(ValueError, match="rejected"):
            ironbound.check_certificate(certificate.network, certificate.query, certificate.proof[:size])


def test_a_query_from_a_file_is_certified_as_it_stands(classifier):
    text = ironbound.to_vnnlib(BOX, y[0] <= 100, 4, 3).encode()
    result = ironbound.verify(classifier, ironbound.read_vnnlib(text), certify=True)
    assert result and result.certificate.query == text and result.certificate.network == classifier.native.source


def test_no_certificate_is_given_where_the_checker_has_no_rules_and_a_note_says_so():
    soft = ironbound.Network(dense([4, 8, 3], softmax=True)[0])
    centre = np.full(4, 0.2)
    result = ironbound.robustness(soft, centre, int(np.argmax(soft(centre))), 0.001)
    assert result and result.certificate is None and not any("not certified" in note for note in result.notes)
    smooth = ironbound.Network(dense([4, 8, 3], activation="Softplus")[0])
    result = ironbound.verify(smooth, BOX, y[0] <= 100, certify=True)
    assert result and result.certificate is None and any("not certified" in note for note in result.notes)


def test_a_final_softmax_is_left_out_of_what_is_certified():
    soft = ironbound.Network(dense([4, 16, 3], softmax=True)[0])
    label = int(np.argmax(soft([0.2] * 4)))
    others = [y[label] > y[j] for j in range(3) if j != label]
    result = ironbound.verify(soft, [(0.199, 0.201)] * 4, others[0] & others[1], certify=True)
    assert result and result.semantics == "real" and result.certificate.check().startswith("holds")
    assert any("about the network without its final Softmax" in note for note in result.notes)
    # The file is that network: its outputs are the logits, and nothing else has changed.
    logits = ironbound.Network(result.certificate.network)
    points = np.random.default_rng(0).uniform(-1, 1, (50, 4))
    powers = np.exp(logits(points, double=True))
    assert np.allclose(powers / powers.sum(axis=1, keepdims=True), soft(points, double=True)) and len(logits.native.nodes) + 1 == len(soft.native.nodes)
    broken = ironbound.verify(soft, [(0.199, 0.201)] * 4, y[label] < y[(label + 1) % 3], certify=True)
    assert broken.verdict == "fails" and broken.certificate.shown.startswith("fails")
    # Bounds on probabilities: their conditions on logits are certified.
    share = float(soft([0.2] * 4)[0, label])
    result = ironbound.verify(soft, [(0.199, 0.201)] * 4, y[label] >= 0.8 * share, certify=True)
    assert result and result.certificate.check().startswith("holds (real)")


def test_a_file_that_cannot_be_cut_is_left_alone():
    whole = dense([2, 3, 2], softmax=True)[0]
    (name, _) = ironbound.Network(whole).native.outputs[0]
    assert without_softmax(whole, name) and without_softmax(whole, "other") is None and without_softmax(dense([2, 3, 2])[0], name) is None
    for size in range(len(whole)):
        # That the operator set is missing, which follows the graph, is noticed where the file is read.
        assert (without_softmax(whole[:size], name) is None) == (size != whole.index(b"\x42\x04\x0a\x00"))
    dice = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(whole)
        changed[dice.integers(len(whole))] = dice.integers(256)
        without_softmax(bytes(changed), name)


def test_a_counterexample_comes_with_a_certificate_too(classifier, tmp_path):
    result = ironbound.verify(classifier, BOX, y[0] <= -100, certify=True)
    assert result.verdict == "fails" and result.certificate.shown.startswith("fails (")
    assert "certificate: fails" in str(result) and not any("certif" in note for note in result.notes)
    result.certificate.save(tmp_path)
    assert ironbound.Certificate.load(tmp_path) == result.certificate
    # The point is part of it: no other byte is as good.
    with pytest.raises(ValueError, match="rejected"):
        ironbound.check_certificate(classifier.native.source, result.certificate.query, result.certificate.proof + b"0")
    other = ironbound.verify(classifier, BOX, y[1] <= -100, certify=True).certificate
    with pytest.raises(ValueError, match="another query"):
        ironbound.check_certificate(classifier.native.source, result.certificate.query, other.proof)


def test_a_folder_without_a_certificate_is_refused(tmp_path, proved):
    with pytest.raises(FileNotFoundError, match=r"no file 'network.\*' there; give a folder that Certificate.save"):
        ironbound.Certificate.load(tmp_path)
    proved.certificate.save(tmp_path)
    (tmp_path / "proof.cert").write_bytes(proved.certificate.proof[:-1])
    with pytest.raises(ValueError, match="the certificate is rejected"):
        ironbound.Certificate.load(tmp_path)
    (tmp_path / "proof.cert").write_bytes(proved.certificate.proof)
    (tmp_path / "network.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="another network"):
        ironbound.Certificate.load(tmp_path)


def test_a_certificate_is_the_start_for_a_network_trained_a_little_more(proved):
    weights = dense([4, 16, 16, 3])[1]
    again = ironbound.Network(written([(w * np.float32(0.999), b) for w, b in weights]))
    wish = ironbound.read_vnnlib(proved.certificate.query)
    result = ironbound.verify(again, wish, reuse=proved.certificate)
    assert result and result.certificate.network == again.native.source and result.certificate.check().startswith("holds")
    # Where it is not true, the old tree does not make it so.
    wrong = ironbound.Network(written([(w * np.float32(3), b + 1) for w, b in weights]))
    result = ironbound.verify(wrong, wish, reuse=proved.certificate)
    assert result.verdict == "fails" and result.certificate.shown.startswith("fails")
    with pytest.raises(ValueError, match="the earlier certificate: byte 10"):
        ironbound.verify(again, wish, reuse=replace(proved.certificate, proof=proved.certificate.proof[:10]))


def written(weights):
    model = Model(np.dtype("float32"))
    value = model.input("x", (1, 4))
    for i, (w, b) in enumerate(weights):
        value = model.node("Gemm", [model.node("Relu", [value]) if i else value, model.constant(w), model.constant(b)])
    return model.bytes([(value, (1, 3))])


@pytest.fixture(scope="module")
def acas(shared):
    folder = shared / "data/vnncomp/acasxu_2023"
    net = ironbound.Network(folder / "onnx/ACASXU_run2a_3_3_batch_2000.onnx.gz")
    return net, ironbound.read_vnnlib(folder / "vnnlib/prop_2.vnnlib.gz")


def test_a_proof_that_the_checker_rejects_in_parts_is_mended(acas):
    # Thirty thousand leaves; some of them are closed by a margin that the checker's bounds do not reach.
    result = ironbound.verify(*acas, certify=True)
    assert result and "proved again" in result.certificate.shown, result
    assert result.certificate.check(threads=2).startswith(f"holds ({result.semantics})")


def test_what_is_proved_when_time_runs_out_is_certified_and_gone_on_with(acas):
    part = ironbound.verify(*acas, certify=True, timeout=0.1, threads=1)
    assert part.verdict == "unknown" and part.timed_out and 0 <= part.proved < 1, part
    assert "% of the input set holds" in part.certificate.shown
    whole = ironbound.verify(*acas, reuse=part.certificate)
    assert whole and whole.certificate.check(threads=2).startswith("holds")
    # One that has nothing open is only judged.
    again = ironbound.verify(*acas, reuse=whole.certificate)
    assert again and again.certificate.proof == whole.certificate.proof
