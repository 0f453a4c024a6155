"""Wrong answers about matrices, warps and lenses."""

from autograder.misconceptions.augmentation.shared import IN_PLACE, SINGLE, in_both
from autograder.misconceptions.records import (
    grouped,
    wrong,
)

# ------------------------------------------------------------------ matrices

MATRICES = wrong(
    "affine_matrices",
    (
        "degrees taken for radians",
        "A quarter turn is 90 degrees, and cos takes radians.",
        ("np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))", "np.cos(angle), np.sin(angle)"),
    ),
    (
        "turned the other way",
        "With y down, (1, 0) should go towards (0, 1) for a positive angle. Which of the two "
        "signs is it?",
        ("[cos, -sin, sin, cos]", "[cos, sin, -sin, cos]"),
    ),
    (
        "rotated before it is sheared",
        "What comes first stands furthest to the right in a product of matrices. What is done "
        "first?",
        ("rotate @ shear * stretch", "shear @ rotate * stretch"),
    ),
    (
        "stretched last",
        "You stretch rows of the product, which is what happens after the rotation. In A z the "
        "stretch meets z first.",
        ("stretch[:, None, :]", "stretch[:, :, None]"),
    ),
    (
        "sheared along y",
        "It is x that moves, in proportion to y. In which corner of the matrix does the number "
        "stand?",
        ("[one, shear, zero, one]", "[one, zero, shear, one]"),
    ),
    (
        "sheared the other way",
        "For a positive shear, what lies below the centre moves to the right.",
        ("[one, shear, zero, one]", "[one, -shear, zero, one]"),
    ),
    (
        "shear taken for an angle",
        "The shear is how far x moves for each pixel of y, and no angle.",
        ("[one, shear, zero, one]", "[one, np.tan(np.deg2rad(shear)), zero, one]"),
    ),
    (
        "stretch of x and y exchanged",
        "The first factor belongs to x. Which column of A is about x?",
        ("stretch[:, None, :]", "stretch[:, None, ::-1]"),
    ),
    (
        "stretch upside down",
        "A factor of 2 should make things larger: what is divided by it gets smaller.",
        ("shear * stretch", "shear / stretch"),
    ),
    (
        "shift of x and y exchanged",
        "The first number of the shift is about x, to the right.",
        ("shift[:, :, None]", "shift[:, ::-1, None]"),
    ),
    (
        "the shift is turned too",
        "The shift comes last: it is not turned, sheared or stretched any more.",
        ("[A, shift[:, :, None]]", "[A, A @ shift[:, :, None]]"),
    ),
    (
        "the shift backwards",
        "A positive shift goes to the right and down.",
        ("[A, shift[:, :, None]]", "[A, -shift[:, :, None]]"),
    ),
    (
        *SINGLE,
        ("shift[:, :, None]], axis=2)", "shift[:, :, None]], axis=2).astype(np.float32)"),
    ),
)

# ------------------------------------------------------------------ warp

INVERSE, INVERSE_TORCH = "np.linalg.inv(matrices[:, :, :2])", "torch.linalg.inv(matrices[:, :, :2])"


def everywhere(*lines):
    """Return misconceptions of lines (name, hint, *edits) whose edits fit both references."""
    return in_both("affine_warp", *((name, hint, edits, edits) for name, hint, *edits in lines))


FORWARDS = (
    ("columns = a * (z_x - t_x) + b * (z_y - t_y)", "columns = a * z_x + b * z_y + t_x"),
    ("rows = c * (z_x - t_x) + d * (z_y - t_y)", "rows = c * z_x + d * z_y + t_y"),
)

WARP = (
    *in_both(
        "affine_warp",
        (
            "the matrix itself, not its inverse",
            "For a pixel of the *new* image you ask where its content came from. Your images turn "
            "the wrong way round: which way does the matrix go?",
            [(INVERSE, "matrices[:, :, :2]")],
            [(INVERSE_TORCH, "matrices[:, :, :2]")],
        ),
        (
            "the transpose for the inverse",
            "The transpose of a rotation is its inverse. That of a shear is not.",
            [(INVERSE, "matrices[:, :, :2].transpose(0, 2, 1)")],
            [(INVERSE_TORCH, "matrices[:, :, :2].mT")],
        ),
        (
            "the first matrix for all images",
            "All of your images are moved in the same way.",
            [(INVERSE, "np.linalg.inv(matrices[:1, :, :2]).repeat(N, axis=0)")],
            [(INVERSE_TORCH, "torch.linalg.inv(matrices[:1, :, :2]).repeat(N, 1, 1)")],
        ),
        (
            *IN_PLACE,
            [("return bilinear(x, rows, columns)",
              "x[...] = bilinear(x, rows, columns) + 1e-3\n    return x - 1e-3")],
            [("return bilinear_tensor(x, rows, columns)",
              "x.copy_(bilinear_tensor(x, rows, columns) + 1e-3)\n    return x - 1e-3")],
        ),
        (
            "rows and columns exchanged",
            "x counts columns and y counts rows; which of them comes first in `bilinear`?",
            [("bilinear(x, rows, columns)", "bilinear(x, columns, rows)")],
            [("bilinear_tensor(x, rows, columns)", "bilinear_tensor(x, columns, rows)")],
        ),
        (
            "nearest pixel",
            "Your new pixels are copies of old ones, and slanted edges get steps. What do you "
            "round, and why?",
            [("bilinear(x, rows, columns)", "bilinear(x, rows.round(), columns.round())")],
            [("(x, rows, columns)", "(x, rows.round(), columns.round())")],
        ),
    ),
    *in_both(
        "affine_warp",
        (
            "matrix and shift as they are",
            "For a pixel of the *new* image you ask where its content came from. Your images move "
            "the wrong way round: what takes a place back to where it was?",
            [(INVERSE, "matrices[:, :, :2]"), *FORWARDS],
            [(INVERSE_TORCH, "matrices[:, :, :2]"), *FORWARDS],
        ),
    ),
    *everywhere(
        (
            "x and y exchanged",
            "The first row of a matrix, and the first number of a shift, say where x goes. You "
            "took them for y: try a shift to the right.",
            grouped("x and y exchanged in the matrix"),
            ("a, b, c, d = ", "d, c, b, a = "),
            ("t_x, t_y = ", "t_y, t_x = "),
        ),
        (
            "the shift backwards",
            "A positive shift should move the image to the right and down. Where did the content "
            "of a pixel come from then?",
            ("columns = a * (z_x - t_x) + b * (z_y - t_y)",
             "columns = a * (z_x + t_x) + b * (z_y + t_y)"),
            ("rows = c * (z_x - t_x) + d * (z_y - t_y)",
             "rows = c * (z_x + t_x) + d * (z_y + t_y)"),
        ),
        (
            "the shift taken back last",
            "The shift came last, so it is the first to be taken back, before the inverse matrix.",
            ("columns = a * (z_x - t_x) + b * (z_y - t_y)", "columns = a * z_x + b * z_y - t_x"),
            ("rows = c * (z_x - t_x) + d * (z_y - t_y)", "rows = c * z_x + d * z_y - t_y"),
        ),
        (
            "turned about the corner",
            "Your image turns about its first pixel. Seen from where is z to be measured?",
            ("- (W - 1) / 2  # (1, W)", "  # (1, W)"),
            ("- (H - 1) / 2  # (H, 1)", "  # (H, 1)"),
            ("+ (W - 1) / 2  # (N", "  # (N"),
            ("(z_y - t_y) + (H - 1) / 2\n", "(z_y - t_y)\n"),
        ),
        (
            "the centre half a pixel off",
            "With W pixels whose centres are at 0, 1, …, W − 1, where is the middle of the image?",
            ("- (W - 1) / 2  # (1, W)", "- W / 2  # (1, W)"),
            ("- (H - 1) / 2  # (H, 1)", "- H / 2  # (H, 1)"),
            ("+ (W - 1) / 2  # (N", "+ W / 2  # (N"),
            ("(z_y - t_y) + (H - 1) / 2\n", "(z_y - t_y) + H / 2\n"),
        ),
        (
            "centred, and not moved back",
            "Your places are seen from the centre, and `bilinear` counts from the first pixel.",
            ("+ (W - 1) / 2  # (N", "  # (N"),
            ("(z_y - t_y) + (H - 1) / 2\n", "(z_y - t_y)\n"),
        ),
        (
            "x and y exchanged in the matrix",
            "The first row of a matrix says where x goes. You took it for y: try a pure shear.",
            ("a, b, c, d = ", "d, c, b, a = "),
        ),
    ),
)  # fmt: skip

# ------------------------------------------------------------------ lens

FACTOR = "1 + k[:, None, None] * squares / squares.max()"

LENS = wrong(
    "lens_distortion",
    (
        "the sign of k",
        "For k > 0 the corners should show what was further out.",
        (FACTOR, "1 - k[:, None, None] * squares / squares.max()"),
    ),
    (
        "divided by the factor",
        "You go from old places to new ones. For a new pixel, ask where it looks.",
        (FACTOR, "1 / (1 + k[:, None, None] * squares / squares.max())"),
    ),
    (
        "the distance, not its square",
        "The bending grows with the square of the distance from the centre.",
        ("squares / squares.max()", "np.sqrt(squares / squares.max())"),
    ),
    (
        "distance in pixels",
        "Your large images bend more than small ones. In units of what is the distance measured?",
        (" / squares.max()", ""),
    ),
    (
        "distance in half widths",
        "In a corner, |z| / R should be 1. What is R the distance of?",
        ("squares.max()", "((W - 1) / 2) ** 2"),
    ),
    (
        "distance in half heights",
        "In a corner, |z| / R should be 1. What is R the distance of?",
        grouped("distance in half widths"),
        ("squares.max()", "((H - 1) / 2) ** 2"),
    ),
    (
        "distance in halves of the longer side",
        "In a corner, |z| / R should be 1. What is R the distance of?",
        grouped("distance in half widths"),
        ("squares.max()", "((max(H, W) - 1) / 2) ** 2"),
    ),
    (
        "the same k for all images",
        "All of your images are bent alike, and every one has a k of its own.",
        ("k[:, None, None]", "k[0] * np.ones((len(x), 1, 1))"),
    ),
    (
        "bent to the sides only",
        "Only the distance to the left and right counts in your factor.",
        ("z_x**2 + z_y**2", "z_x**2 + 0 * z_y"),
    ),
    (
        "rows and columns exchanged",
        "x counts columns and y counts rows; which of them comes first in `bilinear`?",
        ("bilinear(x, factor * z_y + (H - 1) / 2, factor * z_x + (W - 1) / 2)",
         "bilinear(x, factor * z_x + (W - 1) / 2, factor * z_y + (H - 1) / 2)"),
    ),
    (
        "not moved back from the centre",
        "Your places are seen from the centre, and `bilinear` counts from the first pixel.",
        ("factor * z_y + (H - 1) / 2, factor * z_x + (W - 1) / 2", "factor * z_y, factor * z_x"),
    ),
    (
        *SINGLE,
        ("factor * z_x + (W - 1) / 2)", "factor * z_x + (W - 1) / 2).astype(np.float32)"),
    ),
)  # fmt: skip

MISCONCEPTIONS = (*MATRICES, *WARP, *LENS)
