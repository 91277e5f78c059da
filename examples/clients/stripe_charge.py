"""One customer and one charge with the official client, and the charge read back.

STRIPE_BASE_URL=http://127.0.0.1:10000/stripe STRIPE_API_KEY=<service token> python stripe_charge.py
"""

import json
import os
import sys

import stripe

client = stripe.StripeClient(
    os.environ["STRIPE_API_KEY"],
    base_addresses={"api": os.environ["STRIPE_BASE_URL"]},
    max_network_retries=0,
)
try:
    customer = client.v1.customers.create({"email": "buyer@example.com", "metadata": {"order": "7"}})
    charge = client.v1.charges.create({
        "amount": int(os.environ.get("AMOUNT", "2000")),
        "currency": "usd",
        "source": os.environ.get("SOURCE", "tok_visa"),
        "customer": customer.id,
    })
    read = client.v1.charges.retrieve(charge.id)
except stripe.StripeError as e:
    print(json.dumps({"error": type(e).__name__, "status": e.http_status, "code": e.code, "message": e.user_message}))
    sys.exit(3)
print(json.dumps({"id": charge.id, "status": charge.status, "amount": charge.amount, "read": read.id, "customer": customer.id}))
