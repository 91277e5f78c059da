"""Mixed calls with the official clients, some of whose streams are cut at a random byte. mixed_test.go runs it.

GATEWAY_URL, TOKEN, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY reach the gateway. It makes the calls FIRST to LAST by
STEP in THREADS threads; SEED chooses everything. It prints one JSON line a call: {"n", "family", "call": the gateway's id, "end":
"whole", "cut" or the error that the client raised, "status"}.
"""

import json
import os
import queue
import random
import socket
import struct
import threading
import urllib.parse

import anthropic
import boto3
import botocore.exceptions
import httpx2
import openai
import requests
import stripe
from botocore.config import Config
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client as TwilioClient

GATEWAY, TOKEN, SEED, THREADS = os.environ["GATEWAY_URL"].rstrip("/"), os.environ["TOKEN"], os.environ["SEED"], int(os.environ["THREADS"])
CUT_SHARE = 0.30
WORDS = """the of invoice quarter summary delivery because report customer their contract between analysis however without would
release payment question several important review the and a to in incident engineering notes before after shipment tomorrow""".split()

# The calls of each family, by weight. Those of STREAMS can be cut; the figure is a little less than the bytes of one token's event.
FAMILIES = {
    "openai.chat": 10, "openai.chat_stream": 13, "openai.responses": 4, "openai.responses_stream": 7, "openai.embeddings": 4, "openai.models": 1,
    "anthropic.messages": 6, "anthropic.stream": 10, "gemini.generate": 5, "gemini.stream": 10, "gemini.count": 1, "gemini.embed": 3,
    "bedrock.converse": 4, "bedrock.converse_stream": 7, "stripe.charge": 4, "stripe.declined": 1, "stripe.customer": 1, "stripe.balance": 1,
    "s3.put": 2, "s3.get": 1, "s3.missing": 1, "s3.list": 1, "twilio.sms": 2, "twilio.unicode": 1, "twilio.mms": 1, "twilio.service": 1,
    "twilio.abroad": 1, "weather.forecast": 2,
}
STREAMS = {"openai.chat_stream": 280, "openai.responses_stream": 205, "anthropic.stream": 150, "gemini.stream": 330, "bedrock.converse_stream": 165}

now = threading.local()  # .n of the call, .call as the gateway answers, .cut after so many bytes or None


class Cut(Exception):
    """The client hangs up."""


class CutStream(httpx2.SyncByteStream):
    """An answer that is read up to a byte."""

    def __init__(self, stream, at):
        self.stream, self.left = stream, at

    def __iter__(self):
        for part in self.stream:
            if len(part) >= self.left:
                yield part[: self.left]
                self.stream.close()
                raise Cut
            self.left -= len(part)
            yield part

    def close(self):
        self.stream.close()


class Transport(httpx2.HTTPTransport):
    """Names each call, notes the gateway's id, and cuts where the plan says so."""

    def handle_request(self, request):
        request.headers["X-Client-Request-Id"] = str(now.n)
        response = super().handle_request(request)
        now.call = response.headers.get("x-sentinel-call", "")
        if now.cut and response.status_code == 200:
            response.stream = CutStream(response.stream, now.cut)
        return response


class Session(requests.Session):
    """The same for the clients that use requests."""

    def __init__(self):
        super().__init__()
        self.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))

    def send(self, request, **options):
        request.headers["X-Client-Request-Id"] = str(now.n)
        response = super().send(request, **options)
        now.call = response.headers.get("x-sentinel-call", "")
        return response


class Clients:
    """The clients of all threads, each as its documentation says, with the gateway's address and the service's token."""

    def __init__(self):
        http = httpx2.Client(transport=Transport(), timeout=60)
        self.openai = openai.OpenAI(base_url=GATEWAY + "/openai/v1", api_key=TOKEN, max_retries=0, http_client=http)
        self.anthropic = anthropic.Anthropic(base_url=GATEWAY + "/anthropic", api_key=TOKEN, max_retries=0, http_client=http)
        self.gemini = genai.Client(api_key=TOKEN, http_options=types.HttpOptions(base_url=GATEWAY + "/gemini", httpx_client=http))
        self.session = Session()
        self.stripe = stripe.StripeClient(TOKEN, base_addresses={"api": GATEWAY + "/stripe"}, max_network_retries=0,
                                          http_client=stripe.RequestsClient(session=self.session)).v1
        self.twilio = TwilioClient(TOKEN, "unused", "AC00000000000000000000000000000001", http_client=TwilioHttpClient())
        self.twilio.http_client.session = self.session
        self.twilio.api.base_url = GATEWAY + "/twilio"
        config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, max_pool_connections=THREADS)
        aws = boto3.session.Session(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        self.bedrock = aws.client("bedrock-runtime", endpoint_url=GATEWAY + "/bedrock", config=config)
        self.s3 = aws.client("s3", endpoint_url=GATEWAY + "/s3", config=config)
        for client in (self.bedrock, self.s3):
            client.meta.events.register("before-send", name_call)
            client.meta.events.register("after-call", note_call)

    def run(self, n):
        """Makes call n and gives its line."""
        rng = random.Random(f"{SEED}/{n}")
        family = rng.choices(list(FAMILIES), FAMILIES.values())[0]
        tokens = rng.randint(20, 90)
        now.n, now.call, now.cut = n, "", None
        if family in STREAMS and rng.random() < CUT_SHARE:
            now.cut = rng.randint(1, tokens * STREAMS[family])
        prompt = " ".join(rng.choice(WORDS) for _ in range(rng.randint(2, 150)))
        end, status = "whole", 200
        try:
            if now.cut and family in RAW and rng.random() < 1 / 3:
                request, family = RAW[family](prompt, tokens), family + ".socket"
                cut_by_socket(*request)
            else:
                getattr(self, family.replace(".", "_"))(rng, prompt, tokens)
        except Cut:
            end = "cut"
        except (openai.APIStatusError, anthropic.APIStatusError) as e:
            end, status = type(e).__name__, e.status_code
        except genai_errors.APIError as e:
            end, status = type(e).__name__, e.code
        except stripe.StripeError as e:
            end, status = type(e).__name__, e.http_status or 0
        except TwilioRestException as e:
            end, status = type(e).__name__, e.status
        except botocore.exceptions.ClientError as e:
            end, status = e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
        except requests.HTTPError as e:
            end, status = type(e).__name__, e.response.status_code
        except SocketStatus as e:
            end, status = type(e).__name__, e.args[0]
        except Exception as e:  # whatever else a client raises where its answer breaks off
            end, status = type(e).__name__, 0
        return {"n": n, "family": family, "call": now.call, "end": end, "status": status}

    # The families.

    def openai_chat(self, rng, prompt, tokens):
        self.openai.chat.completions.create(model=rng.choice(["gpt-5-mini", "gpt-5"]), max_completion_tokens=tokens, messages=ask(prompt))

    def openai_chat_stream(self, rng, prompt, tokens):
        # A cut stream hides how much the model thought, so that only streams which are read to their end have a model that thinks.
        model = "gpt-5-mini" if now.cut else rng.choice(["gpt-5-mini", "gpt-5"])
        options = {"stream_options": {"include_usage": True}} if rng.random() < 0.5 else {}
        for _ in self.openai.chat.completions.create(model=model, max_completion_tokens=tokens, messages=ask(prompt), stream=True, **options):
            pass

    def openai_responses(self, rng, prompt, tokens):
        self.openai.responses.create(model="gpt-5-mini", max_output_tokens=tokens, input=prompt)

    def openai_responses_stream(self, rng, prompt, tokens):
        for _ in self.openai.responses.create(model="gpt-5-mini", max_output_tokens=tokens, input=prompt, stream=True):
            pass

    def openai_embeddings(self, rng, prompt, tokens):
        self.openai.embeddings.create(model="text-embedding-3-small", input=[prompt, "and a second text"])

    def openai_models(self, rng, prompt, tokens):
        self.openai.models.list()

    def anthropic_messages(self, rng, prompt, tokens):
        self.anthropic.messages.create(model="claude-haiku-4-5", max_tokens=tokens, messages=ask(prompt))

    def anthropic_stream(self, rng, prompt, tokens):
        with self.anthropic.messages.stream(model="claude-haiku-4-5", max_tokens=tokens, messages=ask(prompt)) as stream:
            for _ in stream:
                pass

    def gemini_generate(self, rng, prompt, tokens):
        self.gemini.models.generate_content(model="gemini-2.5-flash", contents=prompt, config=thoughtful(tokens))

    def gemini_stream(self, rng, prompt, tokens):
        for _ in self.gemini.models.generate_content_stream(model="gemini-2.5-flash", contents=prompt, config=thoughtful(tokens)):
            pass

    def gemini_count(self, rng, prompt, tokens):
        self.gemini.models.count_tokens(model="gemini-2.5-flash", contents=prompt)

    def gemini_embed(self, rng, prompt, tokens):
        self.gemini.models.embed_content(model="gemini-embedding-2", contents=[prompt, "and a second text"])

    def bedrock_converse(self, rng, prompt, tokens):
        self.bedrock.converse(modelId="amazon.nova-lite-v1:0", messages=ask([{"text": prompt}]), inferenceConfig={"maxTokens": tokens})

    def bedrock_converse_stream(self, rng, prompt, tokens):
        answer = self.bedrock.converse_stream(modelId="amazon.nova-lite-v1:0", messages=ask([{"text": prompt}]), inferenceConfig={"maxTokens": tokens})
        stream = answer["stream"]
        if now.cut:
            read = stream._raw_stream.read(now.cut)  # boto3 has no other way to stop at a byte
            stream.close()
            if len(read) == now.cut:
                raise Cut
            return
        for _ in stream:
            pass

    def stripe_charge(self, rng, prompt, tokens):
        self.stripe.charges.create({"amount": rng.randint(50, 900_000), "currency": "usd", "source": "tok_visa", "description": prompt[:200]})

    def stripe_declined(self, rng, prompt, tokens):
        self.stripe.charges.create({"amount": 2000, "currency": "usd", "source": "tok_chargeDeclined"})

    def stripe_customer(self, rng, prompt, tokens):
        self.stripe.customers.create({"email": "buyer@example.com", "metadata": {"order": str(now.n)}})

    def stripe_balance(self, rng, prompt, tokens):
        self.stripe.balance.retrieve()

    def s3_put(self, rng, prompt, tokens):
        self.s3.put_object(Bucket="reports", Key=f"2026/a report, {now.n % 50}.txt", Body=prompt.encode() * rng.randint(1, 9))

    def s3_get(self, rng, prompt, tokens):
        self.s3.get_object(Bucket="reports", Key=f"2026/a report, {now.n % 50}.txt")["Body"].read()

    def s3_missing(self, rng, prompt, tokens):
        self.s3.get_object(Bucket="reports", Key="nothing here")

    def s3_list(self, rng, prompt, tokens):
        self.s3.list_objects_v2(Bucket="reports", MaxKeys=5)

    def twilio_sms(self, rng, prompt, tokens):
        self.twilio.messages.create(to="+14155550100", from_="+14155550199", body=prompt)

    def twilio_unicode(self, rng, prompt, tokens):
        self.twilio.messages.create(to="+14155550100", from_="+14155550199", body=prompt[:600] + " ✓ 😀 ok")

    def twilio_mms(self, rng, prompt, tokens):
        self.twilio.messages.create(to="+14155550100", from_="+14155550199", body=prompt, media_url=["https://files.example/1.png"])

    def twilio_service(self, rng, prompt, tokens):
        self.twilio.messages.create(to="+14155550100", messaging_service_sid="MG00000000000000000000000000000001", body=prompt)

    def twilio_abroad(self, rng, prompt, tokens):
        self.twilio.messages.create(to="+4915155550100", from_="+14155550199", body=prompt)  # no price: the gateway refuses it

    def weather_forecast(self, rng, prompt, tokens):
        city = rng.choice(["berlin", "lagos", "lima"])
        self.session.get(GATEWAY + "/weather/v1/forecast/" + city, headers={"Authorization": "Bearer " + TOKEN}, timeout=60).raise_for_status()


def ask(content):
    return [{"role": "user", "content": content}]


def thoughtful(tokens):
    return types.GenerateContentConfig(max_output_tokens=24 + tokens)  # the stand-in thinks 24 tokens


def name_call(request, **_):
    request.headers["X-Client-Request-Id"] = str(now.n)


def note_call(http_response, **_):
    now.call = http_response.headers.get("x-sentinel-call", "")


# The same requests written to a socket, which is reset at a byte of the answer's body.
RAW = {
    "openai.chat_stream": lambda prompt, tokens: ("/openai/v1/chat/completions", {"Authorization": "Bearer " + TOKEN},
        {"model": "gpt-5-mini", "stream": True, "max_completion_tokens": tokens, "messages": ask(prompt)}),
    "anthropic.stream": lambda prompt, tokens: ("/anthropic/v1/messages", {"x-api-key": TOKEN, "anthropic-version": "2023-06-01"},
        {"model": "claude-haiku-4-5", "stream": True, "max_tokens": tokens, "messages": ask(prompt)}),
    "gemini.stream": lambda prompt, tokens: ("/gemini/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse", {"x-goog-api-key": TOKEN},
        {"contents": [{"role": "user", "parts": [{"text": prompt}]}], "generationConfig": {"maxOutputTokens": 24 + tokens}}),
}


class SocketStatus(Exception):
    """An answer other than 200."""


def cut_by_socket(path, headers, body):
    address, data = urllib.parse.urlsplit(GATEWAY), json.dumps(body).encode()
    lines = {"Host": address.netloc, "Content-Type": "application/json", "Content-Length": len(data), "X-Client-Request-Id": now.n, "Connection": "close", **headers}
    with socket.create_connection((address.hostname, address.port), timeout=60) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST in the place of FIN
        s.sendall(f"POST {path} HTTP/1.1\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in lines.items()).encode() + b"\r\n" + data)
        got = b""
        while b"\r\n\r\n" not in got:
            got += receive(s)
        head, _, rest = got.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        for line in fields:
            name, _, value = line.partition(": ")
            if name.lower() == "x-sentinel-call":
                now.call = value
        if " 200 " not in status:
            raise SocketStatus(int(status.split()[1]))
        while len(rest) < now.cut:
            try:
                rest += receive(s, now.cut - len(rest))
            except ConnectionError:
                if rest.endswith(b"\r\n0\r\n\r\n"):
                    return  # the whole answer was shorter
                raise
    raise Cut


def receive(s, most=65536):
    data = s.recv(most)
    if not data:
        raise ConnectionError("the gateway closed the connection")
    return data


def main():
    todo, printing = queue.SimpleQueue(), threading.Lock()
    for n in range(int(os.environ["FIRST"]), int(os.environ["LAST"]) + 1, int(os.environ["STEP"])):
        todo.put(n)

    clients = Clients()

    def work():
        while True:
            try:
                line = clients.run(todo.get_nowait())
            except queue.Empty:
                return
            with printing:
                print(json.dumps(line), flush=True)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


if __name__ == "__main__":
    main()
