"""Counts the tokens of texts, one Go-quoted text a line of stdin, with OpenAI's own tiktoken, in o200k_base and cl100k_base.

WRITE_TEXTS=/tmp/texts go test -run TestTokensAreThoseOfTiktoken ./provider
python count_tokens.py < /tmp/texts > tiktoken.txt        # TIKTOKEN_CACHE_DIR for use without a network
"""

import re
import sys

import tiktoken

ESCAPE = re.compile(r'\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)')
NAMED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def unquote(line: str) -> str:
    return ESCAPE.sub(lambda m: NAMED.get(m[1]) or chr(int(m[1][1:], 16)), line.strip("\n")[1:-1])


vocabularies = [tiktoken.get_encoding(name) for name in ("o200k_base", "cl100k_base")]
for line in sys.stdin:
    text = unquote(line)
    print(*(len(v.encode_ordinary(text)) for v in vocabularies))
