"""Windows: cut and joined, attention that stays inside, biases of relative positions."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from raypose.models.layers import PatchMerging, WindowAttention
from raypose.models.layers.hrformer_block import LocalWindowAttention
from raypose.models.layers.windows import join_windows, missing_for_windows, split_windows
from tests.models.drawn_weights import draw_weights, normal_input


def test_windows_are_cut_row_by_row_and_joined_again() -> None:
    x = torch.arange(24).reshape(1, 4, 6, 1)
    windows = split_windows(x, (2, 3))
    assert windows[0, 1, :, 0].tolist() == [3, 4, 5, 9, 10, 11]
    assert torch.equal(join_windows(windows, (2, 3), (4, 6)), x)
    assert missing_for_windows((4, 7), (2, 3)) == (0, 2)


@pytest.mark.parametrize("with_rpe", [True, False])
def test_windows_do_not_see_each_other(with_rpe: bool) -> None:
    attention = draw_weights(WindowAttention(8, 2, (2, 3), with_rpe=with_rpe)).eval()
    windows = normal_input((3, 4, 6, 8))
    alone = attention(windows[1:2, 2:3])
    torch.testing.assert_close(attention(windows)[1, 2], alone[0, 0])


def test_attention_by_hand() -> None:
    attention = draw_weights(WindowAttention(4, 2, (2, 2), qk_scale=0.3)).eval()
    x = normal_input((1, 1, 4, 4))
    queries, keys, values = attention.qkv(x[0, 0]).chunk(3, dim=-1)
    table = attention.relative_position_bias_table
    outs = []
    for head in range(2):
        part = slice(2 * head, 2 * head + 2)
        bias = torch.zeros(4, 4)
        for i in range(4):
            for j in range(4):
                down, right = i // 2 - j // 2, i % 2 - j % 2
                bias[i, j] = table[(down + 1) * 3 + right + 1, head]
        weights = (0.3 * queries[:, part] @ keys[:, part].T + bias).softmax(dim=-1)
        outs.append(weights @ values[:, part])
    torch.testing.assert_close(attention(x)[0, 0], attention.proj(torch.cat(outs, dim=-1)))


def test_masked_tokens_are_not_looked_at() -> None:
    attention = draw_weights(WindowAttention(8, 2, (2, 2))).eval()
    mask = torch.zeros(3, 1, 4)
    mask[1, :, 3] = -torch.inf
    windows = normal_input((2, 3, 4, 8))
    changed = windows.clone()
    changed[:, :, 3] += 1
    before, after = attention(windows, mask), attention(changed, mask)
    torch.testing.assert_close(before[:, 1, :3], after[:, 1, :3])
    assert not torch.allclose(before[:, 0, :3], after[:, 0, :3])


def test_biases_of_another_window_are_resized() -> None:
    small, large = WindowAttention(8, 2, (3, 3)), WindowAttention(8, 2, (4, 4))
    weights = {f"a.{key}": value for key, value in draw_weights(small).state_dict().items()}
    table = weights["a.relative_position_bias_table"].clone()
    large.adapt_state_dict(weights, "a.")
    large.load_state_dict({key[2:]: value for key, value in weights.items()})
    maps = table.T.reshape(1, 2, 5, 5)
    want = F.interpolate(maps, size=(7, 7), mode="bicubic", align_corners=False)
    torch.testing.assert_close(large.relative_position_bias_table, want.reshape(2, 49).T)
    other = {"relative_position_bias_table": torch.zeros(25, 3)}
    large.adapt_state_dict(other, "")
    assert other["relative_position_bias_table"].shape == (25, 3)


def test_padding_can_be_kept_out() -> None:
    masked = draw_weights(LocalWindowAttention(8, 2, 4, with_rpe=False, with_pad_mask=True)).eval()
    # With the mask a map smaller than its window is as if it were the window.
    x = normal_input((2, 3, 4, 8))
    alone = masked.attn(x.reshape(2, 1, 12, 8)).reshape(2, 3, 4, 8)
    torch.testing.assert_close(masked(x), alone)
    masked.with_pad_mask = False
    assert not torch.allclose(masked(x), alone)


def test_merging_covers_odd_maps() -> None:
    merging = draw_weights(PatchMerging(4, 6, norm_cfg={"type": "LN"}))
    tokens, size = merging(normal_input((2, 15, 4)), (3, 5))
    assert size == (2, 3)
    assert tokens.shape == (2, 6, 6)
