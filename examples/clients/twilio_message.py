"""One message with Twilio's official client: the account is the organisation's, the token is the service's own.

TWILIO_BASE_URL=http://127.0.0.1:10000/twilio TWILIO_ACCOUNT_SID=AC… SERVICE_TOKEN=<service token> python twilio_message.py
"""

import json
import os
import sys

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

# The gateway puts the organisation's key in the place of user and password.
client = Client(os.environ["SERVICE_TOKEN"], "unused", os.environ["TWILIO_ACCOUNT_SID"])
client.api.base_url = os.environ["TWILIO_BASE_URL"]
try:
    message = client.messages.create(
        to=os.environ.get("TO", "+14155550100"),
        from_=os.environ.get("FROM", "+14155550199"),
        body=os.environ.get("BODY", "Your order is on its way."),
    )
except TwilioRestException as e:
    print(json.dumps({"error": type(e).__name__, "status": e.status, "code": e.code, "message": e.msg}))
    sys.exit(3)
print(json.dumps({"sid": message.sid, "status": message.status, "segments": message.num_segments}))
