"""Image and mask cells as PNG with stored blocks: writing, reading, and the layout that makes reading cheap."""
