"""What floating-point precision does to reranking results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "agreements",
        "budgets",
        "comparisons",
        "datasets",
        "fingerprinting",
        "metrics",
        "models",
        "readers",
        "remedies",
        "scoring",
        "staircase",
        "store",
        "verifying",
    ],
    submod_attrs={
        "engines": ["ENGINES", "FLOAT32_REFERENCE", "engine_path"],
        "errors": ["InputError"],
        "formats": ["FORMATS", "format_of"],
        "scorepath": ["ScorePath"],
        "sigmoids": ["saturation", "sigmoid"],
    },
)
