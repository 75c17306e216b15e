"""Data: conversations, their readers, the template, token ids with loss mask, packing. No torch."""
