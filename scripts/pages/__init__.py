"""The pages of docs/ that are made from declarations in the code, one module each."""
