"""The networks: torchvision's names, a heat map that adds up to the logit, and safe weight files."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from edge.errors import DataError, NoInputError, RefusedError
from export.architecture import NETWORKS
from export.network import ResNet, load_initial


@pytest.mark.parametrize("name", NETWORKS)
def test_the_mean_of_the_heat_map_is_the_logit(name):
    torch.manual_seed(0)
    network = ResNet(NETWORKS[name]).eval()
    side = NETWORKS[name].size
    logit, local = network(torch.rand(2, 1, side, side) * 255)
    assert logit.shape == (2,)
    assert torch.allclose(local.mean((1, 2)), logit, atol=1e-5)


def test_resnet18_is_torchvisions_but_for_stem_and_head():
    network = ResNet(NETWORKS["resnet18"])
    own = network.state_dict()
    assert sum(p.numel() for p in network.parameters()) == 11_689_512 - 2 * 64 * 49 - 999 * 513
    assert own["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert own["layer4.1.bn2.running_var"].shape == (512,)
    assert own["conv1.weight"].shape == (64, 1, 7, 7)


@pytest.fixture
def torchvision_like():
    """What torchvision's resnet18 weight file holds: RGB stem, a thousand classes, no buffers of ours."""
    torch.manual_seed(1)
    weights = {
        n: torch.randn_like(t) * 0.01 if t.is_floating_point() else t
        for n, t in ResNet(NETWORKS["resnet18"]).state_dict().items()
    }
    del weights["mean"], weights["deviation"]
    weights["conv1.weight"] = torch.randn(64, 3, 7, 7)
    weights["fc.weight"], weights["fc.bias"] = torch.randn(1000, 512), torch.randn(1000)
    return weights


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_an_rgb_weight_file_is_folded_to_grey(tmp_path, torchvision_like, suffix):
    path = tmp_path / f"resnet18{suffix}"
    save_file(torchvision_like, path) if suffix == ".safetensors" else torch.save(torchvision_like, path)
    network = ResNet(NETWORKS["resnet18"])
    head = network.fc.weight.clone()
    load_initial(network, path)
    grey = torch.rand(1, 1, 32, 32)
    colour = torch.nn.functional.conv2d(grey.repeat(1, 3, 1, 1), torchvision_like["conv1.weight"])
    assert torch.allclose(torch.nn.functional.conv2d(grey, network.conv1.weight), colour, atol=1e-4)
    assert torch.equal(network.layer3[1].conv2.weight, torchvision_like["layer3.1.conv2.weight"])
    assert torch.equal(network.fc.weight, head)


def test_another_architecture_is_refused_by_the_first_name_that_differs(tmp_path, torchvision_like):
    save_file(torchvision_like, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="another architecture's"):
        load_initial(ResNet(NETWORKS["compact"]), tmp_path / "a.safetensors")
    del torchvision_like["layer3.0.conv1.weight"]
    save_file(torchvision_like, tmp_path / "b.safetensors")
    with pytest.raises(DataError, match=r"'layer3\.0\.conv1\.weight' is missing"):
        load_initial(ResNet(NETWORKS["resnet18"]), tmp_path / "b.safetensors")


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("evil-was-here"),))


def test_a_weight_file_with_code_inside_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": Evil()}, tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pth", "plain.pth"):
        with pytest.raises(RefusedError, match="code"):
            load_initial(ResNet(NETWORKS["compact"]), tmp_path / name)
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize(
    "name", ["cut.pth", "cut.safetensors", "list.pth", "empty.pth", "stop.pth", "nan.safetensors"]
)
def test_a_damaged_weight_file_is_named(tmp_path, name):
    path = tmp_path / name
    weights = ResNet(NETWORKS["compact"]).state_dict()
    if name == "list.pth":
        torch.save([torch.zeros(2)], path)
    elif name in ("empty.pth", "stop.pth"):
        path.write_bytes(b"" if name == "empty.pth" else b"\x80\x02.")  # a pickle of nothing
    elif name == "nan.safetensors":
        save_file(weights | {"conv1.weight": weights["conv1.weight"] * torch.nan}, path)
    else:
        save_file(weights, path) if name.endswith("safetensors") else torch.save(weights, path)
        path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=name):
        load_initial(ResNet(NETWORKS["compact"]), path)


def test_a_missing_weight_file_is_named(tmp_path):
    with pytest.raises(NoInputError, match="gone"):
        load_initial(ResNet(NETWORKS["compact"]), tmp_path / "gone.pth")


def test_training_sees_what_the_deployed_graph_sees_of_a_finer_picture():
    torch.manual_seed(0)
    network = ResNet(NETWORKS["light"]).eval()
    image = torch.rand(2, 1, 256, 256) * 255
    reduced = network.reduce(image)
    assert reduced.shape == (2, 1, 64, 64)
    assert torch.equal(network.describe(reduced), network.prepare(image))
