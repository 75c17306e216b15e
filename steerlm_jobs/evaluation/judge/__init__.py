"""An independent judge: a chat endpoint scores the answers of two models to the same questions.

Pure: what is asked (`questions`), how a reply is read (`verdicts`), what it costs (`costs`), how
many wins it makes (`tally`). Waits and may fail: `client`, and `judging`, which drives it.
"""
