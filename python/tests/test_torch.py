"""PyTorch modules: converted, verified, and refused by name where they are not supported."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="SKIPPED LOUDLY: torch is not installed, so no PyTorch module was tested")

import ironbound  # noqa: E402
from ironbound import y  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


class Residual(nn.Module):
    """A small convolutional network with a skip connection, in functional style."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.last = nn.Linear(4 * 3 * 3, 5)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        a = F.relu(self.first((x - 0.5) / 0.25))
        b = self.norm(self.second(a)) + a
        c = F.max_pool2d(F.relu(b), 2)
        return self.last(self.drop(c.view(c.size(0), -1)))


class Arithmetic(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6))
        self.scale = nn.Parameter(torch.rand(6))

    def forward(self, x):
        a, b = x[:, :3], x[:, 3:]
        z = torch.cat([a * 2 - b / 3, -b, 1 - a], dim=1)[:, ::2]
        z = torch.clamp(F.linear(x, self.weight) * self.scale, -1, 2)[:, 1:4] + z[:, :3].abs()
        return torch.tanh(z).sum(dim=1, keepdim=True) + torch.mean(x, 1, keepdim=True) + z[:, 0].unsqueeze(1) ** 2


class InPlace(nn.Module):
    def forward(self, x):
        z = x * 2
        z += 1
        z.relu_()
        return z - x.flatten(1)


def modules():
    torch.manual_seed(0)
    yield "linear", nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 3)), (9,)
    yield "image", nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 3), nn.Softmax(dim=1)), (1, 6, 6)
    yield "residual", Residual(), (1, 6, 6)
    yield "arithmetic", Arithmetic(), (6,)
    yield "in place", InPlace(), (4,)
    pools = [nn.AvgPool2d(2), nn.AvgPool2d(3, stride=1, padding=1), nn.MaxPool2d(2, stride=1, padding=1), nn.AdaptiveAvgPool2d(1)]
    yield "pools", nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.Sigmoid(), *pools, nn.Flatten(), nn.Linear(4, 2)), (2, 8, 8)
    norms = [nn.BatchNorm1d(6), nn.LeakyReLU(0.1), nn.Linear(6, 6, bias=False), nn.Hardtanh(), nn.Linear(6, 4), nn.ReLU6(), nn.Softplus()]
    yield "layers", nn.Sequential(nn.Linear(5, 6), *norms), (5,)
    yield "double", nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double(), (3,)
    yield "groups", nn.Sequential(nn.Conv2d(4, 4, 3, groups=2, dilation=2), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)), (4, 6, 6)
    yield "sequence", nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(1), nn.Linear(9, 2)), (2, 8)
    yield "decoder", nn.Sequential(nn.Linear(4, 8), nn.Unflatten(1, (2, 2, 2)), nn.ConvTranspose2d(2, 1, 3, stride=2), nn.Flatten()), (4,)


MODULES = {name: (module.eval(), shape) for name, module, shape in modules()}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_the_network_that_it_computes(name):
    module, shape = MODULES[name]
    for norm in (m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
    net = ironbound.Network(module, shape)
    assert net.input_shapes == [(1, *shape)] and net.dtype == (np.float64 if name == "double" else np.float32)
    points = torch.randn(20, *shape, dtype=next(module.parameters()).dtype if list(module.parameters()) else torch.float32)
    with torch.no_grad():
        expected = module(points).reshape(20, -1).double().numpy()
    assert np.max(np.abs(net(points, double=True) - expected)) < 1e-4 * (1 + np.max(np.abs(expected)))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_bounded(name):
    module, shape = MODULES[name]
    centre = torch.rand(1, *shape)
    lower, upper = ironbound.bounds(ironbound.Network(module, shape), centre - 0.01, centre + 0.01)
    with torch.no_grad():
        outputs = module((centre + 0.01 * (2 * torch.rand(200, *shape) - 1)).to(next(iter(module.parameters()), centre).dtype)).reshape(
            200, -1
        )
    assert isinstance(lower, torch.Tensor) and torch.all(torch.isfinite(lower))
    assert torch.all(lower <= outputs.double() + 1e-5) and torch.all(outputs.double() <= upper + 1e-5)


def test_the_laboratory_interface():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10), nn.Softmax(dim=-1))
    image = torch.rand(28, 28)
    label = int(net(image[None]).argmax())
    share = net(image[None])[0, label].item()
    x_specs = [(pixel, pixel) for pixel in image.flatten()]
    x_specs[100] = (0.0, 1.0)
    counterexamples = []
    y_specs = [[0.0, 1.0]] * 10
    y_specs[label] = [share + 0.5, 1.0]
    result = ironbound.verify(net, x_specs, y_specs, counterexamples, timeout=30)
    assert not result and result.verdict == "fails"
    (found,) = counterexamples
    assert isinstance(found, torch.Tensor) and found.shape == (1, 784) and found.dtype == torch.float32
    assert torch.equal(net(found)[0], found.output) and float(found.output[label]) < share + 0.5
    assert torch.equal(found.reshape(-1)[:100], image.flatten()[:100])
    y_specs[label] = [share - 0.1, 1.0]
    assert ironbound.verify(net, x_specs, y_specs, timeout=30)
    assert ironbound.verify(net, x_specs, y.argmax() == label, timeout=30)


def test_training_changes_the_answer_but_not_a_loaded_network():
    net = nn.Linear(1, 1)
    with torch.no_grad():
        net.weight.fill_(1.0), net.bias.fill_(0.0)
    loaded = ironbound.Network(net)
    with torch.no_grad():
        net.weight.fill_(2.0)
    assert ironbound.verify(loaded, [(0, 1)], y[0] <= 1.01) and not ironbound.verify(net, [(0, 1)], y[0] <= 1.01)


def test_an_unsupported_layer_is_named_with_its_place_and_a_hint():
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.GELU()))
    with pytest.raises(ironbound.UnsupportedError, match=r"layer '1.1' \(GELU\).*replace it by"):
        ironbound.verify(net, [(0, 1)] * 2, y[0] > 0)
    with pytest.raises(ironbound.UnsupportedError, match="function erf"):
        ironbound.Network(Calls(torch.erf), (2,))
    with pytest.raises(ironbound.UnsupportedError, match="method .cumsum"):
        ironbound.Network(Calls(lambda x: x.cumsum(1)), (2,))
    with pytest.raises(ironbound.UnsupportedError, match="return_indices|not supported"):
        ironbound.Network(nn.Sequential(nn.MaxPool2d(2, return_indices=True)), (1, 4, 4))
    with pytest.raises(ironbound.UnsupportedError, match="padding_mode='circular'"):
        ironbound.Network(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")), (1, 4, 4))


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def test_a_branch_on_values_is_refused():
    with pytest.raises(ironbound.UnsupportedError, match="cannot be traced"):
        ironbound.Network(Calls(lambda x: x if x.sum() > 0 else -x), (2,))


def test_a_module_that_is_not_its_trace_is_refused():
    with pytest.raises(ironbound.UnsupportedError, match="computes something else|not supported|not a readable"):
        ironbound.Network(Calls(lambda x: x + torch.rand(1)), (2,))


def test_training_mode_is_refused_where_it_matters():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3), nn.BatchNorm1d(2))
    with pytest.raises(ValueError, match=r"'1' is in training mode.*module.eval\(\)"):
        ironbound.verify(net, [(0, 1)] * 2, y[0] > 0)
    assert ironbound.verify(net.eval(), [(0, 1)] * 2, y[0] < 100)
    assert ironbound.verify(nn.Sequential(nn.Linear(2, 2), nn.ReLU()).train(), [(0, 1)] * 2, y[0] < 100)


def test_weights_that_are_no_numbers_are_refused_by_name():
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    module[2].bias.data[0] = float("nan")
    with pytest.raises(ValueError, match=r"'2.bias' holds NaN or infinity.*training has diverged"):
        ironbound.verify(module, [(0, 1)] * 2, [[0, 1]])


def test_half_precision_and_wrong_shapes_are_refused():
    with pytest.raises(ironbound.UnsupportedError, match="float16.*convert with module.float"):
        ironbound.Network(nn.Linear(2, 2).half())
    with pytest.raises(ValueError, match="cannot be evaluated on an input of shape"):
        ironbound.verify(nn.Linear(3, 2), [(0, 1)] * 2, y[0] > 0)
    with pytest.raises(ValueError, match="give input_shape"):
        ironbound.Network(nn.ReLU())


def test_a_robustness_query_takes_and_returns_tensors():
    net, shape = MODULES["residual"]
    image = torch.rand(*shape)
    label = int(net(image[None]).argmax())
    assert ironbound.robustness(net, image, label, 0.0005)
    wrong = ironbound.robustness(net, image, (label + 1) % 5, 0.001)
    assert wrong.verdict == "fails" and wrong.counterexamples[0].shape == (1, *shape)
    assert net(wrong.counterexamples[0]).argmax() == wrong.counterexamples[0].output.argmax() == label


def test_flushed_subnormals_prove_nothing():
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush subnormals")
    try:
        result = ironbound.verify(nn.Linear(1, 1), [(0, 1)], y[0] < 100)
        assert result.verdict == "unknown" and "floating-point environment" in result.reason
        with pytest.raises(ironbound.UnsupportedError, match="set_flush_denormal"):
            ironbound.bounds(nn.Linear(1, 1), [0.0], [1.0])
    finally:
        torch.set_flush_denormal(False)
    assert ironbound.verify(nn.Linear(1, 1), [(0, 1)], y[0] < 100)


def test_torch_is_not_imported_without_need():
    import subprocess
    import sys

    program = "import sys, ironbound; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
