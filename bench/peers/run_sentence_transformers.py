"""sentence-transformers: ``CrossEncoder.predict`` over all pairs at once."""

from __future__ import annotations

import torch
from sentence_transformers import CrossEncoder
from serving import Query, arguments, serve


def main() -> None:
    """Load the model and serve."""
    model, dtype = arguments()
    encoder = CrossEncoder(model, device="cpu", model_kwargs={"dtype": getattr(torch, dtype)})

    def score(queries: list[Query], batch_size: int) -> list[float]:
        """Logits of all pairs, in order."""
        pairs = [(query, passage) for query, passages in queries for passage in passages]
        options = {"activation_fn": torch.nn.Identity(), "show_progress_bar": False}
        return encoder.predict(pairs, batch_size=batch_size, **options).tolist()

    serve(score, "sentence-transformers")


if __name__ == "__main__":
    main()
