"""The pages of finance, one module each."""
