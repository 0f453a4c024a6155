"""Mutants of the references of `augmentation` that are right answers, with the reason."""

SAME_SIZE = "only the shape or the dtype is read, and it is the same"
SAME_AXES = "the same axes, named in another order"
BORDER = "a continuous random number meets p with probability zero"
MORE_ZEROS = "more zeros than needed to the right and below; no window reaches them"
SYMMETRIC = "the random number is as likely with the other sign"
EITHER = "two numbers of one law change places"
WIDER = "right, in more memory than needed; a remark says so"
ANY_NEGATIVE = "NumPy takes any negative number for the size that is left over"
ON_CPU = "the same device, where there is one only"
A_LIST = "a list is taken for the array that it makes"
NEW_ARRAY = "a new array in place of the old one"

EQUIVALENT = {
    "augmentation.horizontal_flip": {"flips = rng.random(len(x)) <= p": BORDER},
    "augmentation.pad_crop": {
        "padded = np.zeros((H + ...": MORE_ZEROS,
        "s, r = rng.integers(0, 2 * pad + 1, (2, N))": EITHER,
    },
    "augmentation.resize_short_side": {
        "H_new, W_new = (L * side / min(H, W) for side in (H, W))": "a whole number all the same",
        "H_new, W_new = (round(L * side / min(W, H)) for side in (H, W))": "min is symmetric",
    },
    "augmentation.separating_image": {"...": "any image that separates is a right answer"},
    "augmentation.average_over_crops": {
        "return probabilities.reshape(N, K, -2).mean(axis=1)": ANY_NEGATIVE,
    },
    "augmentation.color_jitter": {
        "c = rng.uniform(1 - contrast, 1 + contrast, (N, 1, 1, 1))": WIDER,
        "b = rng.uniform(-brightness, brightness, (N, 1, 1, 1))": WIDER,
        "mean = x.mean(axis=(2, 1, 3), keepdims=True)": SAME_AXES,
        "mean = x.mean(axis=(1, 3, 2), keepdims=True)": SAME_AXES,
        "out += (1 - c) * mean - b": SYMMETRIC,
        "return np.clip(0, out, 1, out=out)": "0 cut off at out and 1 is out cut off at 0 and 1",
        "return np.clip(out, 0, 1)": NEW_ARRAY,
    },
    "augmentation.color_components": {
        "colors = x.reshape(-2, x.shape[-1])": ANY_NEGATIVE,
        "cov = centred.T @ colors / len(colors)": "the mean times centred colours adds up to zero",
        "cov = colors.T @ centred / len(colors)": "the mean times centred colours adds up to zero",
        "cov = centred.T @ centred / len(centred)": SAME_SIZE,
    },
    "augmentation.pca_color_offsets": {
        "out = x - offsets[:, None, None, :].astype(x.dtype)": SYMMETRIC,
        "out = x + offsets[:, None, None, :]": WIDER,
        "return np.clip(0, out, 1, out=out)": "0 cut off at out and 1 is out cut off at 0 and 1",
        "return np.clip(out, 0, 1)": NEW_ARRAY,
    },
    "augmentation.affine_matrices": {
        "one, zero = (np.ones_like(...": SAME_SIZE,
        "rotate = np.stack([cos, -sin, sin, cos], axis=1).reshape(-2, 2, 2)": ANY_NEGATIVE,
        "shear = np.stack([one, shear, zero, one], axis=1).reshape(-2, 2, 2)": ANY_NEGATIVE,
    },
    "augmentation.affine_warp": {
        "a, b, c, d = inverse.reshape(N, 4, 1, 1).transpose(1, 0, 3, 2)": "axes of length 1",
        "z_x = np.arange(W)[None, :] - (W - 1) / 2": WIDER,
        "z_y = np.arange(H)[:, None] - (H - 1) / 2": WIDER,
    },
    "augmentation.train_augmented": {
        "for start in range(0, len(y_train), batch_size):": SAME_SIZE,
        "return scores": A_LIST,
    },
    "augmentation.mixup": {
        "share = rng.beta(alpha, alpha, len(x))": WIDER,
        "for_x, for_y = (share[:, None, None, None], share[:, None])": WIDER,
    },
    "augmentation.torch.horizontal_flip": {
        "flips = torch.rand(len(x), generator=rng, device=x.device) <= p": BORDER,
        "flips = torch.rand(len(x), generator=rng) < p": ON_CPU,
    },
    "augmentation.torch.pad_crop": {
        "padded = x.new_zeros((N, C, H + ...": MORE_ZEROS,
        "r, s = torch.randint(2 * pad + 1, (2, N), generator=rng, device=rng.device)": NEW_ARRAY,
        "s, r = torch.randint(2 * pad + 1, (2, N), generator=rng, device=rng.device).tolist()": (
            EITHER
        ),
        "r, s = torch.randint(2 * pad + 1, (2, N), generator=rng).tolist()": ON_CPU,
        "return windows": A_LIST,
    },
    "augmentation.torch.color_jitter": {
        "c, b = (1 - draw(contrast), draw(brightness))": SYMMETRIC,
        "mean = x.mean(dim=(2, 1, 3), keepdim=True)": SAME_AXES,
        "mean = x.mean(dim=(1, 3, 2), keepdim=True)": SAME_AXES,
        "u = torch.rand((len(x), 1, 1, 1), generator=rng, dtype=x.dtype)": ON_CPU,
    },
    "augmentation.torch.affine_warp": {
        "a, b, c, d = inverse.reshape(N, 4, 1, 1)...(1, 0)": "two axes change places",
        "z_x = torch.arange(W)[None, :] - (W - 1) / 2": ON_CPU,
        "z_y = torch.arange(H)[:, None] - (H - 1) / 2": ON_CPU,
    },
}
