"""A scripted day of traffic: five services call their providers through the gateway with the official clients.

Nothing in the clients is changed but the base URL and the key.

GATEWAY_URL=http://127.0.0.1:10000 SERVICES='{"summariser": "<token>", …}' python day.py

SERVICES is a JSON object (or the path of a file with one): each service's token, or, where it calls
AWS as well, {"token": …, "aws_access_key_id": …, "aws_secret_access_key": …}. A service without
an entry stays at home. DAY_ROUNDS (default 12) sets the length. Progress goes to stderr; stdout gets
one JSON line a service with its own count of what it saw.
"""

import concurrent.futures
import json
import os
import random
import sys
import threading
import time
import urllib.error
import urllib.request

import botocore.exceptions
import openai
import stripe
from aws import client as aws_client
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client as TwilioClient

GATEWAY = os.environ["GATEWAY_URL"].rstrip("/")
ROUNDS = int(os.environ.get("DAY_ROUNDS", "12"))
TOPICS = ["the quarterly report", "a customer's complaint", "the release notes", "a contract", "the incident review"]


class Service:
    """A service's credentials, and what it saw."""

    def __init__(self, name: str, credential):
        if isinstance(credential, str):
            credential = {"token": credential}
        self.name, self.credential = name, credential
        self.rng = random.Random(name)  # the same day every time
        self.lock = threading.Lock()
        self.seen = {"service": name, "calls": 0, "ok": 0, "downgraded": 0, "refused": {}, "declined": {}, "failed": {},
                     "input_tokens": 0, "output_tokens": 0, "streamed_tokens": 0}
        self.openai = openai.OpenAI(base_url=GATEWAY + "/openai/v1", api_key=credential["token"], max_retries=0)
        self.gemini = genai.Client(api_key=credential["token"], http_options=genai_types.HttpOptions(base_url=GATEWAY + "/gemini"))
        self.twilio = TwilioClient(credential["token"], "unused", "AC00000000000000000000000000000001")
        self.twilio.api.base_url = GATEWAY + "/twilio"

    def call(self, work, *args, **kwargs):
        """Runs one call, counts how it ended, and returns its answer or None."""
        with self.lock:
            self.seen["calls"] += 1
        try:
            answer = work(*args, **kwargs)
        except openai.APIStatusError as e:
            code = (e.body or {}).get("code") if isinstance(e.body, dict) else None
            self._refused(e.status_code, code or type(e).__name__)
            return None
        except genai_errors.APIError as e:
            self._refused(e.code, e.status)
            return None
        except TwilioRestException as e:
            self._refused(e.status, str(e.code))
            return None
        except stripe.StripeError as e:
            self._refused(e.http_status or 0, e.code or type(e).__name__)
            return None
        except botocore.exceptions.ClientError as e:
            self._refused(e.response["ResponseMetadata"]["HTTPStatusCode"], e.response["Error"]["Code"])
            return None
        except urllib.error.HTTPError as e:
            self._refused(e.code, str(e.code))
            return None
        except Exception as e:  # a connection that broke: the day goes on, and the count shows it
            with self.lock:
                self.seen["failed"][type(e).__name__] = self.seen["failed"].get(type(e).__name__, 0) + 1
            return None
        with self.lock:
            self.seen["ok"] += 1
        return answer

    def _refused(self, status: int, code: str):
        """A 429 or 403 is the gateway's verdict, a 402 a declined card; any other status is a fault."""
        kind = self.seen[{403: "refused", 429: "refused", 402: "declined"}.get(status, "failed")]
        with self.lock:
            kind[code] = kind.get(code, 0) + 1

    def tokens(self, asked: str, got: str, given: int, produced: int):
        with self.lock:
            self.seen["input_tokens"] += given
            self.seen["output_tokens"] += produced
            self.seen["downgraded"] += got != asked

    # The calls.

    def prompt(self) -> list:
        with self.lock:
            topic, n = self.rng.choice(TOPICS), self.rng.randrange(1000)
        return [{"role": "user", "content": f"Summarise {topic}, number {n}, in plain words."}]

    def chat(self, model: str, **options):
        answer = self.call(self.openai.chat.completions.create, model=model, messages=self.prompt(), **options)
        if answer:
            self.tokens(model, answer.model, answer.usage.prompt_tokens, answer.usage.completion_tokens)

    def stream(self, model: str, **options):
        def run():
            got = model
            stream = self.openai.chat.completions.create(model=model, messages=self.prompt(), stream=True, **options)
            for chunk in stream:
                got = chunk.model
                if chunk.choices and chunk.choices[0].delta.content:
                    with self.lock:
                        self.seen["streamed_tokens"] += 1
            return got

        got = self.call(run)
        if got:
            self.tokens(model, got, 0, 0)  # it did not ask for the usage, so it does not see it

    def respond(self, model: str):
        answer = self.call(self.openai.responses.create, model=model, input=self.prompt()[0]["content"])
        if answer:
            self.tokens(model, answer.model, answer.usage.input_tokens, answer.usage.output_tokens)

    def translate(self):
        """A streamed answer of Google's, whose every piece has the counts so far."""
        model = "gemini-2.5-flash"

        def run():
            stream = self.gemini.models.generate_content_stream(
                model=model, contents=self.prompt()[0]["content"], config=genai_types.GenerateContentConfig(max_output_tokens=60))
            for last in stream:
                pass
            return last.usage_metadata

        usage = self.call(run)
        if usage:
            self.tokens(model, model, usage.prompt_token_count, usage.candidates_token_count + usage.thoughts_token_count)

    def embed(self, texts: list):
        answer = self.call(self.openai.embeddings.create, model="text-embedding-3-small", input=texts)
        if answer:
            self.tokens(answer.model, answer.model, answer.usage.prompt_tokens, 0)


def summariser(s: Service):
    """Steady work on a small model, half of it streamed."""
    for i in range(ROUNDS):
        s.chat("gpt-5-mini", max_completion_tokens=60)
        s.stream("gpt-5-mini", max_completion_tokens=40)
        if i % 3 == 0:
            s.respond("gpt-5-mini")
            s.translate()
        time.sleep(0.2)


def checkout(s: Service):
    """Payments: a customer, a charge, now and then a declined card, an intent that is confirmed later."""
    api = stripe.StripeClient(s.credential["token"], base_addresses={"api": GATEWAY + "/stripe"}, max_network_retries=0).v1
    for i in range(ROUNDS):
        customer = s.call(api.customers.create, {"email": f"buyer{i}@example.com"})
        charge = s.call(api.charges.create, {
            "amount": 1500 + 50 * i, "currency": "usd", "customer": customer.id if customer else "cus_guest",
            "source": "tok_chargeDeclined" if i % 6 == 5 else "tok_visa",
        })
        if charge:
            s.call(api.charges.retrieve, charge.id)
        if i % 4 == 0:
            intent = s.call(api.payment_intents.create, {"amount": 9900, "currency": "usd"})
            if intent:
                s.call(api.payment_intents.confirm, intent.id, {"payment_method": "pm_card_visa"})
        time.sleep(0.3)


def ingest(s: Service):
    """Documents: embedded, stored and read back, and looked over by a model on Bedrock."""
    if "aws_access_key_id" in s.credential:
        key = s.credential["aws_access_key_id"], s.credential["aws_secret_access_key"]
        s3 = aws_client("s3", GATEWAY + "/s3", *key)
        bedrock = aws_client("bedrock-runtime", GATEWAY + "/bedrock", *key)
    for i in range(ROUNDS):
        s.embed([p["content"] for _ in range(8) for p in s.prompt()])
        if "aws_access_key_id" not in s.credential:
            continue
        name = {"Bucket": "documents", "Key": f"2026/11/document {i}.txt"}
        s.call(s3.put_object, Body=b"words " * 500, **name)
        s.call(lambda: s3.get_object(**name)["Body"].read())
        model = "amazon.nova-lite-v1:0"
        answer = s.call(bedrock.converse, modelId=model, inferenceConfig={"maxTokens": 50},
                        messages=[{"role": "user", "content": [{"text": s.prompt()[0]["content"]}]}])
        if answer:
            s.tokens(model, model, answer["usage"]["inputTokens"], answer["usage"]["outputTokens"])
        time.sleep(0.2)


def growth_bot(s: Service):
    """A large model past its budget, so that it is downgraded, and then a burst that is throttled."""
    for _ in range(2 * ROUNDS):
        s.chat("gpt-5", max_completion_tokens=300)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for _ in range(6 * ROUNDS):
            pool.submit(s.chat, "gpt-5-mini", max_completion_tokens=20)


def dispatch(s: Service):
    """An API that the gateway knows from the policy file alone, with a plain HTTP client, and text messages to drivers."""
    def forecast(city: str):
        request = urllib.request.Request(GATEWAY + "/weather/v1/forecast/" + city,
                                         headers={"Authorization": "Bearer " + s.credential["token"]})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    for _ in range(ROUNDS):
        for city in ("berlin", "lagos", "lima"):
            s.call(forecast, city)
        s.call(s.twilio.messages.create, to="+14155550100", from_="+14155550199", body="Your next stop has rain. Drive with care ☔")
        time.sleep(0.2)


DAY = {"summariser": summariser, "checkout": checkout, "ingest": ingest, "growth-bot": growth_bot, "dispatch": dispatch}


def main():
    text = os.environ["SERVICES"]
    if not text.lstrip().startswith("{"):
        with open(text, encoding="utf-8") as f:
            text = f.read()
    services = [Service(name, credential) for name, credential in json.loads(text).items() if name in DAY]
    started = time.monotonic()

    def work(s: Service) -> dict:
        DAY[s.name](s)
        refused = sum(s.seen["refused"].values())
        print(f"{time.monotonic() - started:5.1f} s  {s.name}: {s.seen['calls']} calls, {s.seen['ok']} answered, "
              f"{s.seen['downgraded']} downgraded, {refused} refused", file=sys.stderr, flush=True)
        return s.seen

    with concurrent.futures.ThreadPoolExecutor(len(DAY)) as pool:
        for seen in pool.map(work, services):
            print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
