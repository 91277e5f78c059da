"""Counts the tokens of prompts, one JSON text a line of stdin, in Mistral's Tekken vocabulary: see count_prompts.mjs.

pip install mistral-common==1.13.1
"""

import json
import pathlib
import sys

import mistral_common
from mistral_common.tokens.tokenizers.tekken import Tekkenizer

tekken = Tekkenizer.from_file(pathlib.Path(mistral_common.__file__).parent / "data" / "tekken_240911.json")
for line in sys.stdin:
    print(len(tekken.encode(json.loads(line), bos=False, eos=False)))
