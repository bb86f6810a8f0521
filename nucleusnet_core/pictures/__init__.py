"""Pictures that several parts draw: contact sheets and the colours of labels. Only arrays and Pillow."""
