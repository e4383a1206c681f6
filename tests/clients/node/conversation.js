/*
 * What a Node program does with a broker, over amqplib: each scenario is a function that returns plain values. The
 * program prints the name of each as it begins, and in the end one JSON object {scenario: result}. AMQP_URL is the
 * broker, NAME a prefix that nothing else in the broker has.
 */
'use strict';

const {once} = require('node:events');
const amqplib = require('amqplib');
const callbackApi = require('amqplib/callback_api');

const NAME = process.env.NAME;

/** The first `count` messages of a new consumer, each settled as `settle` says, and the consumer cancelled after. */
async function take(channel, queue, count, settle = (message) => channel.ack(message)) {
  const messages = [];
  await new Promise((resolve, reject) => {
    channel.consume(queue, (message) => {
      messages.push(message);
      settle(message);
      if (messages.length === count) resolve();
    }, {consumerTag: `${queue}-taker`}).catch(reject);
  });
  await channel.cancel(`${queue}-taker`);
  return messages;
}

const scenarios = {
  async publishConfirmConsume(connection) {
    const channel = await connection.createConfirmChannel();
    const {queue} = await channel.assertQueue('', {exclusive: true});
    for (let number = 0; number < 20; number++) {
      channel.sendToQueue(queue, Buffer.from(String(number)), {
        persistent: true, contentType: 'text/plain', headers: {number, deep: {list: [1, 'two', true, null]}},
      });
    }
    await channel.waitForConfirms();
    const {messageCount} = await channel.checkQueue(queue);
    const messages = await take(channel, queue, 20);
    const {headers, contentType, deliveryMode} = messages[7].properties;
    return {messageCount, bodies: messages.map((m) => m.content.toString()), headers, contentType, deliveryMode};
  },

  async returned(connection) {
    const channel = await connection.createConfirmChannel();
    const back = once(channel, 'return');
    channel.publish('', `${NAME}-nobody`, Buffer.from('lost'), {mandatory: true});
    const [message] = await back;
    await channel.waitForConfirms();
    return {code: message.fields.replyCode, text: message.fields.replyText, body: message.content.toString()};
  },

  async redelivered(connection) {
    const channel = await connection.createChannel();
    const {queue} = await channel.assertQueue('', {exclusive: true});
    await channel.prefetch(1);
    channel.sendToQueue(queue, Buffer.from('again'));
    const settlements = [(m) => channel.nack(m), (m) => channel.reject(m, true), (m) => channel.ack(m)];
    const messages = await take(channel, queue, 3, (message) => settlements.shift()(message));
    return {flags: messages.map((m) => m.fields.redelivered), left: await channel.get(queue)};
  },

  async prefetch(connection) {
    const channel = await connection.createConfirmChannel();
    const {queue} = await channel.assertQueue('', {exclusive: true});
    for (let number = 0; number < 5; number++) channel.sendToQueue(queue, Buffer.from('m'));
    await channel.waitForConfirms();
    await channel.prefetch(2);
    await take(channel, queue, 2, () => {});
    const {messageCount} = await channel.checkQueue(queue);
    channel.ackAll();
    return {messageCount, purged: (await channel.purgeQueue(queue)).messageCount};
  },

  async routing(connection) {
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange(`${NAME}-topic`, 'topic', {autoDelete: true});
    await channel.assertExchange(`${NAME}-fanout`, 'fanout', {autoDelete: true});
    await channel.bindExchange(`${NAME}-fanout`, `${NAME}-topic`, 'logs.#');
    const {queue} = await channel.assertQueue('', {exclusive: true});
    await channel.bindQueue(queue, `${NAME}-fanout`, '');
    for (const key of ['logs.mail.error', 'news.today', 'logs']) {
      channel.publish(`${NAME}-topic`, key, Buffer.from(key));
    }
    await channel.waitForConfirms();
    return (await take(channel, queue, 2)).map((m) => m.content.toString());
  },

  async rpc(connection) {
    const [server, client] = [await connection.createChannel(), await connection.createChannel()];
    const {queue} = await server.assertQueue('', {exclusive: true});
    await server.consume(queue, (message) => {
      const {replyTo, correlationId} = message.properties;
      server.sendToQueue(replyTo, Buffer.from(String(2 * Number(message.content))), {correlationId});
      server.ack(message);
    });
    const answers = {};
    const all = new Promise((resolve) => {
      client.consume('amq.rabbitmq.reply-to', (message) => {
        answers[message.properties.correlationId] = Number(message.content);
        if (Object.keys(answers).length === 10) resolve(answers);
      }, {noAck: true});
    });
    for (let number = 0; number < 10; number++) {
      const correlationId = String(number);
      client.sendToQueue(queue, Buffer.from(correlationId), {replyTo: 'amq.rabbitmq.reply-to', correlationId});
    }
    return all;
  },

  async cancelledByDelete(connection) {
    const channel = await connection.createChannel();
    const {queue} = await channel.assertQueue('', {exclusive: true});
    const cancelled = new Promise((resolve) => { channel.consume(queue, resolve); });
    await (await connection.createChannel()).deleteQueue(queue);
    return {message: await cancelled};
  },

  async channelError(connection) {
    const channel = await connection.createChannel();
    const closed = once(channel, 'error');
    const refused = channel.checkQueue(`${NAME}-missing`).catch((error) => error.message);
    const [error] = await closed;
    return {code: error.code, text: await refused, open: Boolean(await connection.createChannel())};
  },

  async largeBody(connection) {
    const channel = await connection.createConfirmChannel();
    const {queue} = await channel.assertQueue('', {exclusive: true});
    const body = Buffer.alloc(5 * 1024 * 1024, 'lyrebird');
    channel.sendToQueue(queue, body);
    await channel.waitForConfirms();
    return (await channel.get(queue, {noAck: true})).content.equals(body);
  },

  /** The older interface, where every step is a callback. */
  callbacks() {
    return new Promise((resolve, reject) => {
      const then = (step) => (error, value) => (error ? reject(error) : step(value));
      callbackApi.connect(process.env.AMQP_URL, then((connection) => {
        connection.createChannel(then((channel) => {
          channel.assertQueue('', {exclusive: true}, then(({queue}) => {
            channel.sendToQueue(queue, Buffer.from('called back'));
            channel.consume(queue, (message) => {
              channel.ack(message);
              connection.close(then(() => resolve(message.content.toString())));
            });
          }));
        }));
      }));
    });
  },
};

async function main() {
  const connection = await amqplib.connect(process.env.AMQP_URL);
  const results = {product: connection.connection.serverProperties.product};
  for (const [name, scenario] of Object.entries(scenarios)) {
    console.log(name);
    results[name] = await scenario(connection);
  }
  await connection.close();
  console.log(JSON.stringify(results));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
