"""Certificates: accepted by the independent checker, rejected when anything is changed."""

import ironbound
import numpy as np
import pytest
from conftest import dense
from ironbound import y

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
    smooth = ironbound.Network(dense([4, 8, 3], activation="Tanh")[0])
    result = ironbound.verify(smooth, BOX, y[0] <= 100, certify=True)
    assert result and result.certificate is None and any("not certified" in note for note in result.notes)


def test_a_counterexample_needs_no_certificate(classifier):
    result = ironbound.verify(classifier, BOX, y[0] <= -100, certify=True)
    assert result.verdict == "fails" and result.certificate is None
