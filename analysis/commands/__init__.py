"""The commands: a module for what each is about; :mod:`analysis.cli` lists them."""
