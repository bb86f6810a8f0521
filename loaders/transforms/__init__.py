"""Changes of whole batches, on whatever device they are: scaling, standardising, random flips, turns and contrast.

Each is called with a batch, a dict as the loaders make it, and returns a new one; give them to a loader:

    transform = Compose([ToFloat(), RandomFlips(), RandomHalfTurn(), ContrastJitter()])
    loader = train_loader("nucleusnet", batch_size=256, columns=("image", "mask"), transform=transform)

A loader also passes a `torch.Generator` that its seed, the epoch and the number of the batch decide. Random numbers are
drawn on the generator's device, so that a batch on a GPU is changed exactly as the same batch on the CPU.

**Channels**: flips and turns move all columns of images and the mask together; changes of values treat every channel
by itself. `StackChannels(("image", "image_actin"))` makes one tensor (B, 2, height, width) of them, for networks.

**What is inside a nucleus**: the pixels of column `mask` if the batch has it, else all that are not 0 in any of its
channels. The two agree but for the few pixels of a nucleus whose camera value is 0, unless the dataset was built with
`--outside keep`: then the surroundings are in the crops too, so ask for `mask`.
"""

from .channels import StackChannels
from .compose import Compose
from .geometry import RandomFlips, RandomHalfTurn
from .intensity import ContrastJitter, StandardizeDataset, StandardizeNucleus, ToFloat, dataset_statistics

__all__ = [
    "Compose",
    "ContrastJitter",
    "RandomFlips",
    "RandomHalfTurn",
    "StackChannels",
    "StandardizeDataset",
    "StandardizeNucleus",
    "ToFloat",
    "dataset_statistics",
]
