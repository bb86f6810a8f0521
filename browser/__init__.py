"""The pages that show nuclei, and the verbs `browse` and `zoom`; `static` holds what a web browser runs."""
