"""Studies: what one notebook each needs and nothing below it does."""
