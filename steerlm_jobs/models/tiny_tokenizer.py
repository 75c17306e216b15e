"""The tokenizer of `scratch:tiny`: SentencePiece, trained on texts, frozen in the fast form."""

import io
from collections.abc import Iterable
from typing import Any, Final

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

NUM_PIECES: Final = 800
UNKNOWN: Final = "<unk>"
BOS: Final = "<s>"
EOS: Final = "</s>"


def train_tokenizer(texts: Iterable[str], num_pieces: int = NUM_PIECES) -> Tokenizer:
    """Return a SentencePiece tokenizer (BPE, as Llama's), frozen in the fast form.

    Identity normalisation, bytes for unknown characters, digits apart, line breaks kept as tokens
    of their own: they are never part of a piece. One thread, so that it is always the same.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for text in texts for line in text.split("\n") if line),
        model_writer=model,
        vocab_size=num_pieces,
        hard_vocab_limit=False,
        model_type="bpe",
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        byte_fallback=True,
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return _frozen(pieces)


def _frozen(pieces: Any) -> Tokenizer:  # sentencepiece has no types
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    model = models.BPE(vocab, _merges(vocab), unk_token=UNKNOWN, byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens([UNKNOWN, BOS, EOS])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, pieces.bos_id())]
    )
    return tokenizer


def _merges(vocab: dict[str, int]) -> list[tuple[str, str]]:
    """Return the merges that make each piece, in SentencePiece's order: that of the ids."""
    splits = [
        (vocab[piece], vocab[piece[:cut]], vocab[piece[cut:]], piece[:cut], piece[cut:])
        for piece in vocab
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    return [(left, right) for _rank, _l, _r, left, right in sorted(splits)]
