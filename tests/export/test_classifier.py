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
from export.classifier import Classifier, fuse
from export.examples import Division, Examples, divide
from export.kernel import AVERAGED, Tried, fit_kernel
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
    exact = StandardScaler().fit_transform(points.astype(np.float64))
    machines = [Tried(3.0, 0.45), Tried(1.0, 0.45, unit=2.0), Tried(10.0, 0.9)]
    expected = [
        SVC(C=m.cost, gamma=m.reach / 6, class_weight="balanced")
        .fit(exact, malignant)
        .decision_function(exact)
        / m.unit
        for m in machines
    ]
    for chosen in ([0], [0, 1, 2]):
        machine = fit_kernel(points, malignant, [machines[number] for number in chosen])
        found = machine(torch.from_numpy(points)).numpy()
        assert np.abs(found - np.mean([expected[number] for number in chosen], axis=0)).max() < 1e-4
    assert auc(malignant, found).value > 0.9


def pictures(seed, number, telling):
    """Noise whose roughness tells the class where `telling`."""
    rng = np.random.default_rng(seed)
    malignant = np.arange(number) % 2 == 0
    spread = np.where(malignant & telling, 60, 20)[:, None, None, None]
    return np.clip(120 + spread * rng.normal(size=(number, 1, 128, 128)), 1, 255).astype(np.uint8), malignant


def both(telling, number=40):
    """Examples of two parts, and the division that holds the second one out."""
    first, second = pictures(0, number, telling), pictures(1, number, telling)
    examples = Examples(np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]]))
    return examples, Division(np.arange(number), np.arange(number, 2 * number))


@pytest.mark.parametrize(("telling", "logit_tells"), [(True, False), (False, True)])
def test_the_better_opinion_gets_the_larger_share(telling, logit_tells):
    torch.manual_seed(0)
    classifier = Classifier("fused")
    examples, division = both(telling)
    logits = np.full(80, np.nan)
    noise = np.random.default_rng(2).normal(size=40)
    logits[division.judged] = noise + (6 * examples.malignant[division.judged] if logit_tells else 0)
    opinions = fuse(classifier, examples, [division], logits)
    network = classifier.shares[0] * np.nanstd(opinions.network)
    kernel = classifier.shares[1] * np.nanstd(opinions.kernel)
    assert (network > 1.5 * kernel) if logit_tells else (kernel > 1.5 * network)


def test_what_is_held_out_is_not_learnt_by_the_kernel_machine():
    classifier = Classifier("fused")
    examples, division = both(True)
    logits = np.full(80, np.nan)
    logits[division.judged] = np.random.default_rng(2).normal(size=40)
    opinions = fuse(classifier, examples, [division], logits)
    flipped = examples.malignant.copy()
    flipped[division.judged] ^= np.random.default_rng(0).random(40) < 0.5
    other = fuse(classifier, Examples(examples.images, flipped), [division], logits)
    if other.choice == opinions.choice:
        assert np.array_equal(other.kernel, opinions.kernel, equal_nan=True)
    assert np.isnan(opinions.kernel[division.train]).all()


def test_the_best_machines_speak_together_and_each_counts_the_same():
    classifier = Classifier("fused")
    examples, division = both(True)
    logits = np.full(80, np.nan)
    logits[division.judged] = np.random.default_rng(2).normal(size=40)
    opinions = fuse(classifier, examples, [division], logits)
    assert len(set(opinions.choice)) == AVERAGED
    assert len(classifier.kernel.gammas) == len({reach for _, reach in opinions.choice})
    with torch.no_grad():
        learnt = classifier.kernel(classifier.measures(torch.from_numpy(examples.images).float())).numpy()
    assert np.allclose(learnt[division.judged], opinions.kernel[division.judged], atol=1e-3)


def test_with_several_divisions_every_example_has_an_opinion_of_one_that_did_not_learn_it():
    classifier = Classifier("fused", members=2)
    examples, _ = both(True)
    divisions = divide(examples.malignant, [str(i) for i in range(80)], 2, 0)
    opinions = fuse(classifier, examples, divisions, np.random.default_rng(3).normal(size=80))
    assert np.isfinite(opinions.fused).all()
    assert auc(examples.malignant, opinions.fused).value > 0.9


def test_a_classifier_without_measures_is_left_alone():
    classifier = Classifier("compact").eval()
    images, malignant = pictures(0, 8, True)
    fuse(classifier, Examples(images, malignant), [Division(np.arange(4), np.arange(4, 8))], np.zeros(8))
    assert classifier.kernel is None
    logit, _ = classifier(torch.from_numpy(images).float())
    assert torch.equal(logit, classifier.network(torch.from_numpy(images).float())[0])


def test_members_are_averaged():
    torch.manual_seed(0)
    classifier = Classifier("fused", members=3).eval()
    for number in range(3):
        torch.nn.init.constant_(classifier.member(number).fc.bias, float(number))
    image = torch.from_numpy(pictures(0, 2, True)[0]).float()
    logit, local = classifier(image)
    each = torch.stack([classifier.member(number)(image)[0] for number in range(3)])
    assert torch.allclose(logit, each.mean(0), atol=1e-5)
    assert torch.allclose(local.mean((1, 2)), logit, atol=1e-4)


@pytest.fixture(scope="module")
def fused_run(learnable, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused") / "run"
    arguments = ["train", str(learnable), "--out", str(folder), "--epochs", "1"]
    assert cli.run([*arguments, "--members", "2"]) == 0
    return folder


def test_a_fused_run_reads_back_with_its_map_adding_up(fused_run):
    _, classifier, _ = read_run(fused_run)
    logit, local = classifier(torch.from_numpy(pictures(3, 2, True)[0]).float())
    assert len(classifier.kernel.weights) > 0
    assert torch.allclose(local.mean((1, 2)), logit, atol=1e-4)


def test_a_fused_bundle_passes_parity_and_is_one_graph(fused_run, tmp_path):
    assert cli.run(["export", str(fused_run), "--out", str(tmp_path / "bundle"), "--no-spread"]) == 0
    bundle = open_bundle(tmp_path / "bundle")
    assert json.loads(bundle.read("reports/parity.json"))["risk"] < 1e-4
    assert bundle.precisions() == ["fp32"]
    assert decode_spec(bundle.read("model.json")).provenance.network == "light"
