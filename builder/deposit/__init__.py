"""The verb `deposit`: an archive to drafts at Zenodo."""
