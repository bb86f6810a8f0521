"""What a dataset says of itself: card, croissant.json, and the facts of its study."""
