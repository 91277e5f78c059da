// The official clients as they are, at their usual hosts: nothing is set but the proxy and the authority.
//
// HTTPS_PROXY=http://SERVICE:TOKEN@gateway:3128 NODE_USE_ENV_PROXY=1 NODE_OPTIONS="--import ./proxy.mjs" NODE_EXTRA_CA_CERTS=sentinel-ca.pem node unchanged.mjs
//
// NODE_USE_ENV_PROXY makes Node read HTTPS_PROXY, which it does from 22.21 and 24.5 on; proxy.mjs makes stripe's own agent read it too.
// Where the network redirects connections, node --use-system-ca unchanged.mjs is enough.
import OpenAI from 'openai';
import Stripe from 'stripe';

const out = {};
const messages = [{ role: 'user', content: 'Say something.' }];
const ask = { model: 'gpt-5-mini', messages, max_completion_tokens: 40 };

const openai = new OpenAI({ apiKey: 'sk-nothing', maxRetries: 0 });
out.openai = (await openai.chat.completions.create(ask)).usage.completion_tokens;
out.stream = 0;
for await (const chunk of await openai.chat.completions.create({ ...ask, stream: true })) {
  if (chunk.choices[0]?.delta?.content) out.stream++;
}

const stripe = new Stripe('sk_test_nothing', { maxNetworkRetries: 0 });
out.stripe = (await stripe.charges.create({ amount: 2000, currency: 'usd', source: 'tok_visa' })).amount;
console.log(JSON.stringify(out));
