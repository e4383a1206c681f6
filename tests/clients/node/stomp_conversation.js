/*
 * What a Node program does with @stomp/stompjs over a WebSocket: each scenario is a function that returns plain values.
 * In the end the program prints one JSON object {scenario: result}. STOMP_URL is the broker, VERSION the protocol's,
 * NAME a prefix that nothing else in the broker has.
 */
'use strict';

const {Client, Versions} = require('@stomp/stompjs');

const {STOMP_URL, NAME, VERSION} = process.env;
Object.assign(globalThis, {WebSocket: require('ws')});

function open(options = {}) {
  return new Promise((resolve, reject) => {
    const client = new Client({
      brokerURL: STOMP_URL, connectHeaders: {login: 'guest', passcode: 'guest'}, reconnectDelay: 0,
        stompVersions: new Versions([VERSION]),
      onConnect: () => resolve(client),
      onStompError: (frame) => reject(frame.headers.message),
      onWebSocketClose: () => reject(new Error('closed')),
      ...options,
    });
    client.activate();
  });
}

/** The first `count` messages of a destination, each settled as `settle` says. */
function take(client, destination, count, headers = {}, settle = () => {}) {
  return new Promise((resolve) => {
    const found = [];
    const subscription = client.subscribe(destination, (message) => {
      found.push(message);
      settle(message);
      if (found.length === count) {
        subscription.unsubscribe();
        resolve(found);
      }
    }, headers);
  });
}

/** Resolves once the broker has done what the frame asked for. */
function receipt(client, send) {
  const id = `receipt-${Math.random()}`;
  return new Promise((resolve) => {
    client.watchForReceipt(id, resolve);
    send(id);
  });
}

const bodies = (messages) => messages.map(({body}) => body);

const scenarios = {
  async inOrder(client) {
    const taken = take(client, `/queue/${NAME}-order`, 100);
    for (let number = 0; number < 100; number++) {
      client.publish({destination: `/queue/${NAME}-order`, body: String(number)});
    }
    return bodies(await taken).join() === [...Array(100).keys()].join();
  },

  async textAndHeaders(client) {
    const destination = `/topic/${NAME}.text`;
    const bird = VERSION === '1.2' ? 'lyre:\\\n' : 'lyre'; // the library escapes in this version only
    const taken = take(client, destination, 1);
    client.publish({destination, body: 'Lyrebird äöü 😀\n\nlines', headers: {'content-type': 'text/plain', bird}});
    const [{body, headers}] = await taken;
    const same = headers.bird === bird && headers.destination === destination;
    return {body, type: headers['content-type'], same};
  },

  async binary(client) {
    const octets = Uint8Array.from({length: 70000}, (_, at) => (at * 31) & 255);
    const taken = take(client, `/queue/${NAME}-binary`, 1);
    client.publish({destination: `/queue/${NAME}-binary`, binaryBody: octets});
    return Buffer.compare(Buffer.from((await taken)[0].binaryBody), Buffer.from(octets)) === 0;
  },

  async receipts(client) {
    const answer = await receipt(client, (id) =>
      client.publish({destination: `/queue/${NAME}-receipts`, body: 'x', headers: {receipt: id}}));
    await take(client, `/queue/${NAME}-receipts`, 1);
    return answer.command;
  },

  async acknowledgements(client) {
    const destination = `/queue/${NAME}-acks`;
    for (const body of ['one', 'two']) client.publish({destination, body});
    let refused = false;
    const messages = await take(client, destination, 3, {ack: 'client-individual', 'prefetch-count': '1'}, (message) => {
      if (refused) message.ack();
      else message.nack();
      refused = true;
    });
    return {bodies: bodies(messages), redelivered: messages.map(({headers}) => headers.redelivered)};
  },

  async transactions(client) {
    const destination = `/queue/${NAME}-tx`;
    const taken = take(client, destination, 2);
    const aborted = client.begin();
    client.publish({destination, body: 'never', headers: {transaction: aborted.id}});
    aborted.abort();
    const committed = client.begin();
    for (const body of ['both', 'or none']) {
      client.publish({destination, body, headers: {transaction: committed.id}});
    }
    committed.commit();
    return bodies(await taken);
  },

  async error() {
    let message;
    await new Promise((resolve) => {
      open({onStompError: (frame) => { message = frame.headers.message; }, onWebSocketClose: resolve}).then((client) =>
        client.subscribe('/nowhere/at-all', () => {}), resolve);
    });
    return message;
  },
};

async function main() {
  const client = await open();
  const results = {version: client.connectedVersion, subprotocol: client.webSocket.protocol};
  for (const [name, scenario] of Object.entries(scenarios)) {
    console.log(name);
    results[name] = await scenario(client);
  }
  await client.deactivate();
  console.log(JSON.stringify(results));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
