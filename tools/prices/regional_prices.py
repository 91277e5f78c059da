"""Writes the catalog's files of models' prices by region of Bedrock and by data zone of Azure OpenAI, from the data of litellm (MIT licence,
https://github.com/BerriAI/litellm). The same release always gives the same files.

    pip download litellm==1.110.2 --no-deps -d /tmp/litellm && unzip -q /tmp/litellm/*.whl 'litellm/model_prices*' -d /tmp/litellm
    python3 tools/prices/regional_prices.py /tmp/litellm 1.110.2 2026-11-29 pricing/catalog

A figure that names no source of its own is left out, and so is a model of Bedrock whose figure of us-east-1 is not the one that the catalog has for everywhere.
"""

import json
import pathlib
import re
import sys
from decimal import Decimal

RATES = {
    "input_cost_per_token": "input", "output_cost_per_token": "output", "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write", "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
REGION = re.compile(r"^bedrock/([a-z]{2}(?:-[a-z]+)+-\d)/([a-z0-9-]+\.[^/]+)$")
ZONE = re.compile(r"^azure/((?:eu|us|apac)/[^/]+)$")


def million(value):
    return format((Decimal(str(value)) * 1_000_000).normalize(), "f")


def rates_of(figures, above=""):
    """Rates in dollars a million tokens; an output of nothing is an embedding's, which has none."""
    return {name: million(figures[key + above]) for key, name in RATES.items() if figures.get(key + above)}


def lengths_of(file):
    """The lengths of contexts and answers that a file of the catalog has, by name. Those of litellm's data are too short for some models."""
    found = {}
    for line in file.read_text().splitlines():
        m = re.match(r'  - \{model: "([^"]+)"(?:, aliases: \[([^\]]*)\])?(.*?), rates:', line)
        for name in m and [m[1]] + re.findall(r'"([^"]+)"', m[2] or "") or []:
            found[name] = "".join(re.findall(r", (?:context|max_output): \d+", m[3]))
    return found


def entry(model, figures, lengths):
    """A model's line, or None where the data prices it by what is no token, or has no source."""
    if not figures.get("source") or not figures.get("input_cost_per_token") or any("audio" in key or "image" in key for key in figures if "cost" in key):
        return None
    rates, steps = rates_of(figures), []
    if Decimal(rates.get("cache_write", rates["input"])) < Decimal(rates["input"]):  # no write costs less than reading: a cached rate in the wrong place
        del rates["cache_write"]
    searches = set((figures.get("search_context_cost_per_query") or {}).values())
    if len(searches) == 1:
        rates["kwebsearches"] = format((Decimal(str(searches.pop())) * 1000).normalize(), "f")
    long = {m for key in figures for m in re.findall(r"^input_cost_per_token_above_(\d+)k_tokens$", key)}
    for thousands in sorted(long, key=int):
        step = rates_of(figures, f"_above_{thousands}k_tokens")
        if "cache_creation_input_token_cost_above_1hr" in figures:
            step["cache_write_1h"] = million(figures[f"cache_creation_input_token_cost_above_1hr_above_{thousands}k_tokens"])
        steps.append((int(thousands) * 1000, step))
    out = f'model: "{model}"' + lengths
    flow = lambda r: "{" + ", ".join(f'{k}: "{v}"' for k, v in r.items()) + "}"
    out += f", rates: {flow(rates)}"
    if steps:
        out += ", steps: [" + ", ".join(f"{{above: {above}, rates: {flow(step)}}}" for above, step in steps) + "]"
    return out


def written(target, provider, source, what, release, day, lines):
    target.write_text(
        f"# {what} Dollars a million tokens (or a thousand searches),\n"
        f"# read through the data of litellm {release} (MIT licence, https://github.com/BerriAI/litellm), each figure of which names its source, on {day}.\n"
        "# Made by tools/prices/regional_prices.py: do not edit.\n"
        f'provider: {provider}\nsource: "{source}"\nread: {day}\nmodels:\n' + "".join(f"  - {{{line}}}\n" for line in lines)
    )


def main(folder, release, day, catalog):
    data = json.loads((pathlib.Path(folder) / "litellm" / "model_prices_and_context_window_backup.json").read_text())
    catalog = pathlib.Path(catalog)
    everywhere = {}
    for line in (catalog / "aws-bedrock.yaml").read_text().splitlines():
        found = re.match(r'  - \{model: "([^"]+)"(?:, aliases: \[([^\]]*)\])?.*?, rates: \{([^}]*)\}', line)
        if found:
            for name in [found[1]] + re.findall(r'"([^"]+)"', found[2] or ""):
                everywhere[name] = dict(re.findall(r'(\w+): "([^"]+)"', found[3]))
    doubted = {
        m[2] for key, figures in data.items() if (m := REGION.match(key)) and m[1] == "us-east-1" and m[2] in everywhere
        and any(everywhere[m[2]].get(k) != rates_of(figures).get(k) for k in ("input", "output"))
    }
    bedrock, lengths = [], lengths_of(catalog / "aws-bedrock.yaml")
    for key in sorted(data):
        m = REGION.match(key)
        context = f", context: {data[key]['max_input_tokens']}" if data[key].get("max_input_tokens") else ""
        line = m and m[2] not in doubted and entry(m[2], data[key], lengths.get(m[2], context))
        if line:
            profile = "us-gov." + m[2]
            alias = f', aliases: ["{profile}"]' if m[1].startswith("us-gov-") and rates_of(data.get(profile, {})) == rates_of(data[key]) else ""
            bedrock.append(line.replace(f'"{m[2]}"', f'"{m[2]}"{alias}, region: {m[1]}', 1))
    lengths, azure = lengths_of(catalog / "openai.yaml"), []
    seen = {}
    for key in sorted(data):
        if m := ZONE.match(key):
            undated = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", m[1])
            line = entry(m[1], data[key], lengths.get(m[1].partition("/")[2]) or lengths.get(undated.partition("/")[2], ""))
            seen[m[1]] = line and line[line.index(", rates:"):]
            if line and (undated == m[1] or seen[m[1]] != seen.get(undated)):  # a snapshot costs what its model does
                azure.append(line)
    written(
        catalog / "aws-bedrock-regions.yaml", "aws-bedrock", "https://aws.amazon.com/bedrock/pricing/",
        "Where Bedrock's models cost something else than aws-bedrock.yaml says, and those that only have prices by region.", release, day, bedrock,
    )
    written(
        catalog / "azure-openai-zones.yaml", "azure-openai", "https://azure.microsoft.com/en-us/pricing/details/cognitive-services/openai-service/",
        "Deployments in a data zone: eu/MODEL and so on, under models of the policy.", release, day, azure,
    )
    print(f"{len(bedrock)} prices of Bedrock by region, {len(azure)} of Azure OpenAI by zone; left out for another figure in us-east-1: {sorted(doubted)}")


main(*sys.argv[1:])
