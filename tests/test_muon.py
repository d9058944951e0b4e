import pytest
import torch

from lamina.muon import COEFFICIENTS, ITERATIONS, Muon, orthogonal


def gradients(shape, count=4):
    torch.manual_seed(0)
    return torch.randn(count, *shape)


@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (12, 4)])
def test_steps_equal_those_of_torch_but_for_its_rounding(shape):
    """torch.optim.Muon rounds to bfloat16, whose relative error is up to 2⁻⁸ in each operation."""
    ours, theirs = (torch.nn.Parameter(torch.zeros(shape)) for _ in range(2))
    optimizers = Muon([ours], 0.1), torch.optim.Muon([theirs], 0.1, weight_decay=0.0)
    for gradient in gradients(shape):
        for weight, optimizer in zip((ours, theirs), optimizers, strict=True):
            weight.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.01)


def test_matrices_of_any_shapes_step_as_each_would_alone():
    shapes = [(8, 8), (4, 12), (12, 4), (8, 8), (8, 20), (4, 6)]
    together, alone = ([torch.nn.Parameter(torch.ones(shape)) for shape in shapes]
                       for _ in range(2))
    for weights in (together, alone):
        for weight, shape in zip(weights, shapes, strict=True):
            weight.grad = gradients(shape)[len(shape)].clone()
    Muon(together, 0.1).step()
    for weight in alone:
        Muon([weight], 0.1).step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_singular_values_become_about_one():
    matrices = torch.stack([scale * torch.randn(16, 40) for scale in (1e-3, 1.0, 1e3)])
    found = torch.stack([*orthogonal(matrices)])
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    alike = torch.nn.functional.cosine_similarity(found.flatten(1), (left @ right).flatten(1))
    assert alike.min() > 0.98


def test_polynomials_of_the_gram_matrix_do_what_the_iteration_does():
    torch.manual_seed(0)
    given = torch.randn(3, 16, 40) * torch.logspace(-4, 0, 16)[:, None]  # far from orthogonal
    a, b, c = COEFFICIENTS
    x = given / given.norm(dim=(1, 2), keepdim=True)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + b * gram @ x + c * gram @ gram @ x
    torch.testing.assert_close(torch.stack([*orthogonal(given)]), x, rtol=1e-3, atol=1e-4)


def test_filters_step_as_the_matrices_of_their_outputs():
    filters, matrix = (torch.nn.Parameter(torch.zeros(shape)) for shape in ((6, 2, 2, 3), (6, 12)))
    matrix.grad = gradients((6, 12))[0]
    filters.grad = matrix.grad.view(6, 2, 2, 3).contiguous(memory_format=torch.channels_last)
    Muon([filters], 0.1).step()
    Muon([matrix], 0.1).step()
    torch.testing.assert_close(filters.flatten(1), matrix)


def test_a_vector_is_refused():
    with pytest.raises(ValueError, match=r"expected matrices, got a weight of shape \(3,\)"):
        Muon([torch.nn.Parameter(torch.zeros(3))], 0.1)
