// A local Solana endpoint: Surfpool behind two fixed ports.
//
// Surfpool listens on ports of its own choice; this process passes connections on to them, so that URLs stay the same
// when it is started anew. One JSON line goes to stdout whenever the endpoint is ready. Lines on stdin control it:
//
//   drop      cut every connection, keep the chain: what a client sees when its endpoint goes away and comes back
//   restart   cut every connection and begin with an empty chain
//   stop      end
//
// It ends with its parent: when stdin is closed.
import { createRequire } from 'node:module';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const HOST = '127.0.0.1';
// How often what the chain tells its embedder is taken from it, milliseconds.
const DRAIN_MS = 50;

const options = {
  'rpc-port': { type: 'string', default: '8899' },
  'ws-port': { type: 'string', default: '8900' },
  'slot-ms': { type: 'string', default: '400' },
};

function fail(message) {
  process.stderr.write(`endpoint: ${message}\n`);
  process.exit(1);
}

function readOptions() {
  let values;
  try {
    values = parseArgs({ options }).values;
  } catch (error) {
    fail(error.message);
  }
  const whole = (name, least, most) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < least || value > most) fail(`--${name} must be ${least} to ${most}`);
    return value;
  };
  return { rpcPort: whole('rpc-port', 0, 65535), wsPort: whole('ws-port', 0, 65535), slotMs: whole('slot-ms', 1, 60000) };
}

function loadSurfnet() {
  const name = `@solana/surfpool-${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`;
  try {
    return createRequire(import.meta.url)(name).Surfnet;
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') fail(`${name} is not installed: run npm ci in the repository`);
    return fail(`${name} does not load: ${error.message}`);
  }
}

// Listens on `port`, and passes every connection on to whatever `target` is when it comes in.
function forward(port, target) {
  const sockets = new Set();
  const server = net.createServer((client) => {
    const upstream = net.connect(Number(new URL(target()).port), HOST);
    for (const [socket, other] of [[client, upstream], [upstream, client]]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const drop = () => sockets.forEach((socket) => socket.destroy());
  return new Promise((resolve) => {
    server.on('error', (error) => {
      if (error.code === 'EADDRINUSE') fail(`port ${port} is in use: stop what listens there, or choose another port`);
      fail(error.message);
    });
    server.listen(port, HOST, () => resolve({ port: server.address().port, drop }));
  });
}

const { rpcPort, wsPort, slotMs } = readOptions();
const Surfnet = loadSurfnet();
const start = () =>
  Surfnet.startWithConfig({ offline: true, blockProductionMode: 'clock', slotTimeMs: slotMs, airdropAddresses: [] });

let chain = start();
const rpc = await forward(rpcPort, () => chain.rpcUrl);
const ws = await forward(wsPort, () => chain.wsUrl);
const drop = () => [rpc, ws].forEach((proxy) => proxy.drop());
const urls = { rpcUrl: `http://${HOST}:${rpc.port}`, wsUrl: `ws://${HOST}:${ws.port}` };
const say = (done) => process.stdout.write(`${JSON.stringify({ done, ...urls })}\n`);

// Every transaction and every written account is told, over a channel with an end: nobody here listens, and a chain whose
// channel is full stands still with all that is asked of it.
setInterval(() => chain.drainEvents(), DRAIN_MS);

function stop() {
  chain.stop();
  process.exit(0);
}

const commands = {
  drop() {
    drop();
    say('drop');
  },
  restart() {
    drop();
    chain.stop();
    chain = start();
    say('restart');
  },
  stop,
};

process.on('SIGTERM', stop);
// Ctrl-C reaches the parent too: it decides when to stop.
process.on('SIGINT', () => {});
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = commands[line.trim()];
  if (command) command();
  else process.stderr.write(`endpoint: no command ${line.trim()}: there are ${Object.keys(commands).join(', ')}\n`);
});
lines.on('close', stop);
say('start');
