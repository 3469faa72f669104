"""Serve a BERT cross-encoder by llama.cpp, in an environment of its own.

    python tools/engines/serve_llama_cpp.py CHECKPOINT PORT

Writes the checkpoint (a folder with ``model.safetensors`` and ``tokenizer.json``) as a float32 GGUF
beside it and serves it on loopback, one pair at a time, until it is stopped.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from bert_gguf import write_gguf
from llama_cpp_server import start


def main() -> None:
    """Write and serve the checkpoint; ends with the process."""
    checkpoint = Path(sys.argv[1])
    file = checkpoint / "model.gguf"
    write_gguf(checkpoint, file)
    server = start(file, slots=1, threads=1, port=int(sys.argv[2]))
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
