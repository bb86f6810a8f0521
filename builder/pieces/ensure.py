"""The piece of one image: the one that is there if it is still valid, else a new one."""

from .receipt import Receipt
from .task import PieceTask, valid_receipt


def ensure_piece(task: PieceTask) -> Receipt:
    """Return the receipt of a piece that is already there and whole, or make the piece.

    Raises:
        InputImageError: the image cannot be used.
        InputMaskError: the mask cannot be used, or has another shape than the image.
        OutputDiskError: the piece cannot be written.
    """
    from .make import make_piece  # noqa: PLC0415 - imports numba and OpenCV, which only workers need

    return valid_receipt(task) or make_piece(task)
