"""The pages that show nuclei, and the verbs `browse` and `zoom`. `static` is what a web browser runs."""
