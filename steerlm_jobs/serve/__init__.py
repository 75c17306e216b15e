"""A server of the final model: OpenAI's chat completions, plus the attributes that callers set.

It answers with the template and the decoding loop that `ask`, sample and evaluate use.
"""
