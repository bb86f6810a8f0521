"""An archive brought into drafts at Zenodo."""
