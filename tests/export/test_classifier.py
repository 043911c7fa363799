"""The fused classifier: a kernel machine in the graph, weighed against the network on validation."""

import json

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from edge import cli
from edge.contract.bundle import open_bundle
from edge.contract.spec import decode_spec
from export.classifier import Classifier, fuse, measure
from export.kernel import COST, REACH, fit_kernel
from export.run_folder import read_run
from export.statistics import auc


@pytest.fixture
def clouds():
    """Measures of two classes that only a curved border parts."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 6)).astype(np.float32) * [1, 10, 0.1, 1, 1, 1] + 3
    radius = (((points - 3) / [1, 10, 0.1, 1, 1, 1]) ** 2)[:, :3].sum(1)
    return points.astype(np.float32), radius > np.median(radius)


def test_the_graph_says_what_scikit_learn_says(clouds):
    points, malignant = clouds
    machine = fit_kernel(points, malignant)
    exact = StandardScaler().fit_transform(points.astype(np.float64))
    svc = SVC(C=COST, gamma=REACH / 6, class_weight="balanced").fit(exact, malignant)
    found = machine(torch.from_numpy(points)).numpy()
    assert np.abs(found - svc.decision_function(exact)).max() < 1e-4
    assert auc(malignant, found).value > 0.9


def pictures(seed, number, telling):
    """Noise whose roughness tells the class where `telling`."""
    rng = np.random.default_rng(seed)
    malignant = np.arange(number) % 2 == 0
    spread = np.where(malignant & telling, 60, 20)[:, None, None, None]
    return np.clip(120 + spread * rng.normal(size=(number, 1, 128, 128)), 1, 255).astype(np.uint8), malignant


@pytest.mark.parametrize(("telling", "logit_tells"), [(True, False), (False, True)])
def test_the_better_opinion_gets_the_larger_share(telling, logit_tells):
    torch.manual_seed(0)
    classifier = Classifier("fused")
    train, validation = pictures(0, 40, telling), pictures(1, 40, telling)
    noise = np.random.default_rng(2).normal(size=40)
    logits = noise + (6 * validation[1] if logit_tells else 0)
    fuse(classifier, *train, *validation, logits)
    opinion = classifier.kernel(torch.from_numpy(measure(classifier.measures, validation[0]))).std()
    network, kernel = classifier.shares[0] * logits.std(), classifier.shares[1] * opinion
    assert (network > 1.5 * kernel) if logit_tells else (kernel > 1.5 * network)


def test_a_classifier_without_measures_is_left_alone():
    classifier = Classifier("compact").eval()
    images, malignant = pictures(0, 8, True)
    fuse(classifier, images, malignant, images, malignant, np.zeros(8))
    assert classifier.kernel is None
    logit, _ = classifier(torch.from_numpy(images).float())
    assert torch.equal(logit, classifier.network(torch.from_numpy(images).float())[0])


@pytest.fixture(scope="module")
def fused_run(learnable, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused") / "run"
    arguments = ["train", str(learnable), "--out", str(folder), "--network", "fused", "--epochs", "2"]
    assert cli.run(arguments) == 0
    return folder


def test_a_fused_run_reads_back_with_its_map_adding_up(fused_run):
    _, classifier, _ = read_run(fused_run)
    logit, local = classifier(torch.from_numpy(pictures(3, 2, True)[0]).float())
    assert len(classifier.kernel.weights) > 0
    assert torch.allclose(local.mean((1, 2)), logit, atol=1e-4)


def test_a_fused_bundle_passes_parity_and_is_one_graph(fused_run, tmp_path):
    assert cli.run(["export", str(fused_run), "--out", str(tmp_path / "bundle")]) == 0
    bundle = open_bundle(tmp_path / "bundle")
    assert json.loads(bundle.read("reports/parity.json"))["risk"] < 1e-4
    assert bundle.precisions() == ["fp32"]
    assert decode_spec(bundle.read("model.json")).provenance.network == "fused"
