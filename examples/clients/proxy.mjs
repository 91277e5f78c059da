// Makes every agent of Node read HTTPS_PROXY, those too that a library makes for itself, as stripe does: Node's own setting reaches only
// fetch and the agent that nobody chose. It needs Node 24.5, and no change of the application:
//
// HTTPS_PROXY=http://SERVICE:TOKEN@gateway:3128 NODE_OPTIONS="--import /sentinel/proxy.mjs" NODE_USE_ENV_PROXY=1 node app.js
import https from 'node:https';
import { syncBuiltinESMExports } from 'node:module';

https.Agent = class extends https.Agent {
  constructor(options) {
    super({ proxyEnv: process.env, ...options });
  }
};
syncBuiltinESMExports();
