"""Writes the catalog's files of language models from the data of genai-prices (MIT licence,
https://github.com/pydantic/genai-prices). The same release always gives the same files.

    pip download genai-prices==0.2.3 --no-deps -d /tmp/genai && unzip -q /tmp/genai/*.whl -d /tmp/genai
    python3 tools/prices/genai_prices.py /tmp/genai 0.2.3 2026-11-23 pricing/catalog

It also writes pricing/testdata/genai_prices.json: how many models of each provider the data has, and which are left out and why.
"""

import datetime
import json
import pathlib
import re
import sys
import types
from decimal import ROUND_HALF_EVEN, Decimal

# Names of providers here, where they differ from those of the data; "also" are further names with the same prices.
NAMES = {"aws": "aws-bedrock", "azure": "azure-openai", "google": "gemini", "x-ai": "xai"}
ALSO = {"google": ["vertex"]}
SOURCES = {"openai": "https://openai.com/api/pricing", "aws": "https://aws.amazon.com/bedrock/pricing/"}

# Keys of the data → names of rates in the catalog.
KEYS = {
    "input_mtok": "input", "cache_read_mtok": "cached_input", "cache_write_mtok": "cache_write", "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output", "output_reasoning_mtok": "reasoning", "input_audio_mtok": "audio_input", "cache_audio_read_mtok": "cached_audio",
    "output_audio_mtok": "audio_output", "input_image_mtok": "image_input", "cache_image_read_mtok": "cached_image",
    "output_image_mtok": "image_output", "input_video_mtok": "video_input", "output_video_mtok": "video_output", "audio_hours": "hour",
    "input_audio_hours": "hour", "input_mchars": "mchars", "web_searches_kcount": "kwebsearches", "storage_searches_kcount": "kfilesearches",
    "input_document_kpages": "kpages", "requests_kcount": "krequests", "input_text_messages_kcount": "kmessages",
}
ANNOTATED = "input_annotated_document_kpages"  # its own price list: the pages are the same, the rate is another

# Endpoints that cost nothing.
FREE = {
    "openai": [
        "models.list", "models.get", "moderations", "files.create", "files.list", "files.get", "files.content", "files.delete", "batches.list",
        "batches.get", "batches.cancel",
    ],
    "anthropic": [
        "messages.count_tokens", "batches.list", "batches.get", "batches.results", "batches.cancel", "models.list", "models.get",
    ],
    "gemini": ["models.list", "models.get", "countTokens", "v1.models.list", "v1.models.get", "v1.countTokens"],
    "aws-bedrock": ["count-tokens"],
    **dict.fromkeys(
        [
            "mistral", "groq", "deepseek", "xai", "together", "fireworks", "openrouter", "cerebras", "moonshotai", "zai", "novita",
            "baseten", "cohere",
        ],
        ["models.list"],
    ),
}

# The most tokens of one answer, which the data does not have: https://platform.openai.com/docs/models, read 2026-11-23.
MAX_OUTPUT = json.loads(pathlib.Path(__file__).with_name("max_output.json").read_text())


# Bedrock's inference profiles: a rule of its data that holds anywhere in a name holds for each of them.
PROFILE = re.compile(r"^(regional|global|us|us-gov|eu|apac|jp|au|ca|in)\.")
PROFILES = ["", "us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "ca."]


def load(folder):
    """Imports the data alone: the package itself wants a web client."""
    package = types.ModuleType("genai_prices")
    package.__path__ = [str(pathlib.Path(folder) / "genai_prices")]
    sys.modules["genai_prices"] = package
    from genai_prices.data import providers

    return providers


def names_of(model, provider):
    """Names that the model's rule matches as a whole, the exact ones first. Prefixes stand for themselves, and with
    the ending of the model's own id, such as -v1:0."""
    exact, loose = [], []

    def walk(clause):
        kind = type(clause).__name__
        if kind == "ClauseOr":
            for part in clause.or_:
                walk(part)
        elif kind == "ClauseEquals":
            exact.append(clause.equals)
        elif kind in ("ClauseStartsWith", "ClauseContains", "ClauseEndsWith"):
            text = next(iter(vars(clause).values())).lstrip("/")
            loose.append(text)
            core = re.sub(r"^[a-z-]{2,6}\.(?=[a-z0-9]+\.)", "", text)
            at = model.id.find(core)
            if provider == "aws" and kind == "ClauseContains" and not PROFILE.match(text):
                loose.extend(p + PROFILE.sub("", model.id) for p in PROFILES)
            if kind != "ClauseEndsWith" and at >= 0 and model.id[at + len(core):]:
                loose.append(text + model.id[at + len(core):])

    if not model.id.startswith("regional."):
        exact.append(model.id)
    walk(model.match)
    printable = re.compile(r"^[!-~]{1,200}$")
    unique = lambda texts: [t for t in dict.fromkeys(texts) if printable.match(t)]
    return unique(exact), unique(loose)


def number(value):
    """Gives a figure in whole pico-dollars a unit: some sources publish thirds, or the noise of floating point."""
    return format(value.quantize(Decimal("0.000001"), ROUND_HALF_EVEN).normalize(), "f")


def rates_of(price):
    """Gives base rates and steps {above: rates} of a price, or None where the catalog has no unit for it."""
    base, steps = {}, {}
    for key, value in vars(price).items():
        if value is None or key == ANNOTATED:
            continue
        if key not in KEYS:
            return None
        name = KEYS[key]
        if isinstance(value, Decimal):
            base[name] = number(value)
            continue
        base[name] = number(value.base)
        for tier in value.tiers:
            steps.setdefault(tier.start, {})[name] = number(tier.price)
    running = {}
    for above in sorted(steps):  # a rate without a step of its own keeps the one of the step before
        running.update(steps[above])
        steps[above] = dict(running)
    return base, steps


def flow(value):
    """One line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if value is True:
        return "true"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    return json.dumps(value)


def with_steps(entry, steps):
    if steps:
        entry["steps"] = [{"above": above, "rates": rates} for above, rates in sorted(steps.items())]
    return entry


def lists_of(model, base):
    """The price lists beside the standard one. What a list does not say is as in the base, its steps included."""
    out = []
    for variant in model.price_variants or []:
        (key, value), = variant.when.items()
        tier = {"search_type": "search_" + value, "route": value.split("/")[-1]}.get(key, value)
        merged = dict(vars(base))
        merged.update({k: v for k, v in vars(variant.prices).items() if v is not None})
        if merged == dict(vars(base)):
            continue
        rates, steps = rates_of(types.SimpleNamespace(**merged))
        own = {k: v for k, v in rates.items() if rates_of(base)[0].get(k) != v}
        entry = {"tier": tier}
        if variant.constraint is not None:
            entry["from"] = variant.constraint.start_date
        entry["rates"] = own
        out.append(with_steps(entry, steps))
    annotated = getattr(base, "__dict__", {}).get(ANNOTATED)
    if annotated is not None:
        out.append({"tier": "annotated", "rates": {"kpages": number(annotated)}})
    return sorted(out, key=lambda e: (e["tier"], str(e.get("from", ""))), reverse=True)


# Claude on Vertex costs a tenth more since Sonnet, Opus and Haiku 4.5 where the endpoint is of one place and not "global"; earlier models cost
# the same everywhere: https://docs.claude.com/en/api/claude-on-vertex-ai, "Global vs regional endpoints". The searches cost the same.
EVERYWHERE_THE_SAME = re.compile(r"^(anthropic/)?claude-(3|4-opus|4-sonnet|opus-4$|opus-4-[01]$|sonnet-4$|sonnet-4-0$)")


def regional(model, provider, rates, steps):
    """The price list of Claude at an endpoint of one place."""
    if provider != "google" or "claude" not in model.id:
        return []
    factor = Decimal(1) if EVERYWHERE_THE_SAME.match(model.id) else Decimal("1.1")
    more = lambda of: {k: number(Decimal(v) * factor) for k, v in of.items() if k != "kwebsearches"}
    return [with_steps({"tier": "regional", "rates": more(rates)}, {above: more(r) for above, r in steps.items()})]


# The batch prices that the data does not have, as https://openai.com/api/pricing had them in May 2026, quoted by https://embeddingcost.com/openai. What is
# said of text-embedding-ada-002 there and elsewhere is not the same, so that it has none.
BATCH = {("openai", "text-embedding-3-small"): "0.01", ("openai", "text-embedding-3-large"): "0.065"}


def batched(model, provider):
    """The price list of a batch of embeddings."""
    rate = BATCH.get((provider, model.id))
    return [{"tier": "batch", "from": datetime.date(2026, 5, 1), "rates": {"input": rate}}] if rate else []


def undated(name):
    match = re.fullmatch(r"(.+)(-20\d\d-\d\d-\d\d|[-@]20\d{6})", name)
    return match.group(1) if match else None


def is_free(model, provider):
    """Tells models that are published as free from those whose price the data does not know."""
    return model.id.endswith(":free") or (provider, model.id) == ("openai", "moderation")


def why_left_out(model, names):
    """Says why a model of the data is not in the catalog."""
    prices = model.prices if isinstance(model.prices, list) else [types.SimpleNamespace(prices=model.prices)]
    keys = {k for p in prices for k, v in vars(p.prices).items() if v is not None and k != ANNOTATED}
    if not keys:
        return "the data has no price for it, and it is not published as free"
    if keys - set(KEYS):
        return "billed by what no answer shows: " + ", ".join(sorted(keys - set(KEYS)))
    return "its names stand for other models" if not names else "its price has no unit here"


def entries_of(model, provider):
    prices = model.prices if isinstance(model.prices, list) else [types.SimpleNamespace(constraint=None, prices=model.prices)]
    newest = None
    out = []
    for conditional in prices:
        got = rates_of(conditional.prices)
        if got is None or not got[0]:
            return [{"free": True}] if got is not None and is_free(model, provider) else None
        rates, steps = got
        entry = {}
        kind = type(conditional.constraint).__name__
        if kind == "StartDateConstraint":
            newest = conditional.constraint.start_date
            entry["from"] = newest
        elif kind == "TimeOfDateConstraint":
            if newest:
                entry["from"] = newest
            start, end = conditional.constraint.start_time, conditional.constraint.end_time
            entry["hours"] = f"{start:%H:%M}-{end:%H:%M}"
        if model.context_window:
            entry["context"] = model.context_window
        if model.id in MAX_OUTPUT.get(provider, {}):
            entry["max_output"] = MAX_OUTPUT[provider][model.id]
        entry["rates"] = rates
        with_steps(entry, steps)
        lists = lists_of(model, conditional.prices) + regional(model, provider, rates, steps) + batched(model, provider)
        if lists:
            entry["lists"] = lists
        out.append(entry)
    return out


def write(provider, release, read, folder):
    name = NAMES.get(provider.id, provider.id.replace("_", "-"))
    source = SOURCES.get(provider.id, (provider.pricing_urls or [provider.api_pattern])[0])
    lines = [
        f"# Dollars a million tokens (or a thousand pages, searches and so on, by the name of the rate), as published on {source},",
        f"# read through the data of genai-prices {release} (MIT licence, https://github.com/pydantic/genai-prices) on {read}.",
        "# Made by tools/prices/genai_prices.py: do not edit.",
        f"provider: {name}",
    ]
    if provider.id in ALSO:
        lines.append(f"also: {flow(ALSO[provider.id])}")
    lines += [f"source: {flow(source)}", f"read: {read}"]
    if name in FREE:
        lines.append("endpoints:")
        lines += [f"  - {{endpoint: {e}, free: true}}" for e in FREE[name]]
    lines.append("models:")
    named = [(m, *names_of(m, provider.id)) for m in provider.models]
    taken = {}
    for rank in (1, 2):  # exact names of any model stand before loose ones of another
        for entry in named:
            for n in entry[rank]:
                taken.setdefault(n, entry[0].id)
    written, left_out = 0, {}
    for model, exact, loose in sorted(named, key=lambda e: e[0].id):
        own = [n for n in dict.fromkeys(exact + loose) if taken[n] == model.id]
        own = [n for n in own if undated(n) not in own]  # the catalog finds snapshots by the date at their end
        entries = entries_of(model, provider.id)
        if entries is None or not own:
            left_out[model.id] = why_left_out(model, own)
            continue
        written += 1
        for e in entries:
            head = {"model": own[0]}
            if own[1:]:
                head["aliases"] = own[1:]
            lines.append("  - " + flow({**head, **e}))
    if written:
        pathlib.Path(folder, name + ".yaml").write_text("\n".join(lines) + "\n")
    return written, left_out


def main(folder, release, read, out):
    account = {}
    for provider in load(folder):
        written, left_out = write(provider, release, read, out)
        account[NAMES.get(provider.id, provider.id.replace("_", "-"))] = {"models": len(provider.models), "left_out": left_out}
        if left_out:
            print(f"{provider.id}: left out {', '.join(left_out)}")
    print(f"{sum(a['models'] - len(a['left_out']) for a in account.values())} models")
    target = pathlib.Path(out).parent / "testdata" / "genai_prices.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"release": release, "providers": account}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
