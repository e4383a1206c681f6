/*
 * What a Node program does with MQTT.js: each scenario is a function that returns plain values. In the end the program
 * prints one JSON object {scenario: result}. MQTT_URL is the broker, VERSION the protocol's number on the wire, NAME a
 * prefix that nothing else in the broker has.
 */
'use strict';

const mqtt = require('mqtt');

const {MQTT_URL, NAME} = process.env;
const protocolVersion = Number(process.env.VERSION);
const isFive = protocolVersion === 5;

function open(clientId, options = {}) {
  return mqtt.connectAsync(MQTT_URL, {
    username: 'guest', password: 'guest', protocolVersion, clientId: `${NAME}-${clientId}`, reconnectPeriod: 0,
    ...(protocolVersion === 3 ? {protocolId: 'MQIsdp'} : {}), ...options,
  });
}

/** The next `count` messages that a client is sent. */
function take(client, count) {
  return new Promise((resolve) => {
    const found = [];
    const listen = (topic, payload, packet) => {
      found.push({topic, payload, packet});
      if (found.length === count) {
        client.off('message', listen);
        resolve(found);
      }
    };
    client.on('message', listen);
  });
}

const text = (messages) => messages.map(({payload}) => payload.toString());

const scenarios = {
  /** Fifty messages of each QoS, in order. */
  async inOrder(client) {
    const result = {};
    for (const qos of [0, 1, 2]) {
      const topic = `${NAME}/order/${qos}`;
      await client.subscribeAsync(topic, {qos});
      const taken = take(client, 50);
      await Promise.all([...Array(50).keys()].map((number) => client.publishAsync(topic, String(number), {qos})));
      const messages = await taken;
      result[qos] = text(messages).join() === [...Array(50).keys()].join() && messages[49].packet.qos === qos;
    }
    return result;
  },

  async largeBinary(client) {
    const body = Buffer.from(Array.from({length: 1 << 20}, (_, at) => (at * 31) & 255));
    await client.subscribeAsync(`${NAME}/large`, {qos: 1});
    const taken = take(client, 1);
    await client.publishAsync(`${NAME}/large`, body, {qos: 1});
    return (await taken)[0].payload.equals(body);
  },

  async wildcardsAndRetained(client) {
    await client.publishAsync(`${NAME}/kept/a/1`, 'first', {qos: 1, retain: true});
    await client.publishAsync(`${NAME}/kept/b/1`, 'second', {qos: 1, retain: true});
    const taken = take(client, 2);
    await client.subscribeAsync(`${NAME}/kept/+/1`, {qos: 1});
    const messages = await taken;
    for (const {topic} of messages) await client.publishAsync(topic, '', {qos: 1, retain: true});
    return text(messages).sort();
  },

  /** A client that ends without a goodbye leaves its will. */
  async will(client) {
    await client.subscribeAsync(`${NAME}/will`, {qos: 1});
    const taken = take(client, 1);
    const will = {topic: `${NAME}/will`, payload: Buffer.from('gone'), qos: 1};
    const mortal = await open('mortal', {will});
    mortal.stream.destroy();
    const [message] = await taken;
    await mortal.endAsync(true);
    return text([message]);
  },

  /** What is published while the owner of a session is away waits for it. */
  async session(client) {
    const keep = isFive ? {clean: false, properties: {sessionExpiryInterval: 60}} : {clean: false};
    const first = await open('keeper', keep);
    await first.subscribeAsync(`${NAME}/away`, {qos: 1});
    await first.endAsync();
    await client.publishAsync(`${NAME}/away`, 'waited', {qos: 1});
    const second = mqtt.connect(MQTT_URL, {...first.options, manualConnect: true});
    const taken = take(second, 1);
    const connected = new Promise((resolve) => second.on('connect', resolve));
    second.connect();
    const {sessionPresent} = await connected;
    const messages = text(await taken);
    await second.endAsync();
    await (await open('keeper', {clean: true})).endAsync();
    return {sessionPresent, messages};
  },

  async unsubscribed(client) {
    await client.subscribeAsync(`${NAME}/left`, {qos: 0});
    await client.unsubscribeAsync(`${NAME}/left`);
    await client.subscribeAsync(`${NAME}/stayed`, {qos: 0});
    const taken = take(client, 1);
    await client.publishAsync(`${NAME}/left`, 'no');
    await client.publishAsync(`${NAME}/stayed`, 'yes');
    return text(await taken);
  },

  async wrongPassword() {
    try {
      await open('stranger', {password: 'wrong'});
    } catch (error) {
      return error.code;
    }
    return 'connected';
  },

  async propertiesOfVersion5(client) {
    if (!isFive) return null;
    await client.subscribeAsync(`${NAME}/five`, {qos: 1, properties: {subscriptionIdentifier: 7}});
    const taken = take(client, 1);
    await client.publishAsync(`${NAME}/five`, 'x', {
      qos: 1,
      properties: {
        contentType: 'text/plain', responseTopic: 'answers', correlationData: Buffer.from([1, 255]),
        userProperties: {bird: 'lyre'}, payloadFormatIndicator: true,
      },
    });
    const {contentType, responseTopic, correlationData, userProperties, subscriptionIdentifier} =
      (await taken)[0].packet.properties;
    return {contentType, responseTopic, correlation: [...correlationData], userProperties, subscriptionIdentifier};
  },
};

async function main() {
  const client = await open('main');
  const results = {};
  for (const [name, scenario] of Object.entries(scenarios)) {
    console.log(name);
    results[name] = await scenario(client);
  }
  await client.endAsync();
  console.log(JSON.stringify(results));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
