"""The verb `deposit`: brings an archive into drafts at Zenodo, and publishes them."""
