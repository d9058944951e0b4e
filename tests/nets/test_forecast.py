"""Nets that continue series, beside what can be worked out by hand."""

import math

import pytest
import torch

from lamina.nets import forecast

NAN = math.nan


def test_patches_overlap_by_half_and_lose_no_value():
    window = torch.arange(1.0, 11).view(1, 1, 10)
    cut = forecast.patches(window, 4)
    assert cut[0].tolist() == [[1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 8], [7, 8, 9, 10]]
    for time in (1, 3, 9, 11):
        found = forecast.patches(torch.arange(1.0, time + 1).view(1, 1, time), 4)
        assert found.shape[1] == forecast.patch_count(time, 4)
        assert set(found.flatten().tolist()) == set(range(1, time + 1))


def test_dlinear_with_equal_weights_is_one_linear_layer():
    torch.manual_seed(0)
    split, whole = (make(channels=2, context=30, size=5)
                    for make in (forecast.DLinear, forecast.NLinear))
    with torch.no_grad():
        for layer, share in ((split.trend, 0.25), (split.rest, 0.75)):
            layer.weight.copy_(whole.future.weight)
            layer.bias.copy_(share * whole.future.bias)
    window = torch.randn(3, 2, 30)
    torch.testing.assert_close(split(window), whole(window), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("context", [40, forecast.SHORT + 1])
def test_the_moving_average_repeats_the_ends(context):
    torch.manual_seed(0)
    net, window = forecast.DLinear(channels=2, context=context, size=5), torch.randn(3, 2, context)
    reach, last = forecast.SMOOTHED // 2, context - 1
    around = [[min(last, max(0, time + step)) for step in range(-reach, reach + 1)]
              for time in range(context)]
    trend = window[..., torch.tensor(around)].mean(3)
    torch.testing.assert_close(net(window), net.trend(trend.flatten(1))
                               + net.rest((window - trend).flatten(1)), atol=1e-5, rtol=1e-5)


def test_gaps_hold_the_last_value_and_the_first_one_at_the_start():
    given = torch.tensor([[NAN, 1, NAN, NAN, 4], [NAN, NAN, NAN, NAN, NAN]])
    assert forecast.filled(given).tolist() == [[1, 1, 1, 1, 4], [0, 0, 0, 0, 0]]


def test_quantile_loss_is_least_at_the_quantile():
    values = torch.arange(1.0, 101)
    tried = torch.arange(0.5, 100)
    cost = forecast.quantile_loss(tried[None].expand(100, -1), values, torch.tensor(0.9)).mean(0)
    assert tried[cost.argmin()].item() == pytest.approx(90.5, abs=1)


@pytest.mark.parametrize("centre", ["mean", "last"])
def test_a_series_ten_times_as_large_is_forecast_ten_times_as_large(centre):
    net = forecaster(centre)
    window = torch.randn(4, 1, 12).cumsum(2)
    torch.testing.assert_close(net(10 * window + 7, None), 10 * net(window, None) + 7,
                               atol=1e-3, rtol=1e-3)


def forecaster(centre="mean", series=2):
    torch.manual_seed(0)
    body = forecast.NLinear(channels=1, context=12, size=3 * 6)
    return forecast.Forecaster(body, horizon=3, quantiles=(0.1, 0.25, 0.5, 0.75, 0.9), known=0,
                               width=4, series=series, centre=centre)


def test_fitted_widths_cover_what_they_promise_series_by_series():
    """Bands that are too narrow by 2 for one series and too wide by 3 for the other."""
    net, count = forecaster(), 4000
    torch.manual_seed(1)
    which = torch.arange(count) % 2 + 1
    deviation = torch.where(which == 1, 2.0, 1 / 3)
    normal = torch.tensor([0, -1.2816, -0.6745, 0, 0.6745, 1.2816])
    found = normal.expand(count, 3, 6)
    truth = torch.randn(count, 3) * deviation[:, None]
    truth[::7, 0] = NAN
    net.fit_widths(found, truth, which, (0.1, 0.25, 0.5, 0.75, 0.9))
    bands = net.widened(found, which)
    torch.testing.assert_close(net.widths[1:], torch.tensor([[2.0, 2.0], [1 / 3, 1 / 3]]),
                               atol=0.1, rtol=0.05)
    for low, high, share in ((1, 5, 0.8), (2, 4, 0.5)):
        for series in (1, 2):
            chosen = (which == series)[:, None] & ~truth.isnan()
            inside = (truth >= bands[..., low]) & (truth <= bands[..., high])
            assert inside[chosen].float().mean().item() == pytest.approx(share, abs=0.005)
