/** Events as they are sent: real fields, a few types, exactly 200 bytes each, no id (the server makes them). */
const sampleEventBytes = 200;

const eventTypes = [
  'order.created',
  'order.paid',
  'order.shipped',
  'order.cancelled',
  'cart.updated',
  'user.signed_up',
  'user.signed_in',
  'page.viewed',
  'search.performed',
  'payment.failed',
];

export function sampleEvent(number: number): string {
  const eventType = eventTypes[number % eventTypes.length]!;
  const order = String(number).padStart(8, '0');
  const amount = (((number * 7919) % 99_900) / 100 + 1).toFixed(2);
  const start =
    `{"event_type":"${eventType}","payload":{"order_id":"${order}","customer":"customer-${number % 997}",` +
    `"amount":${amount},"currency":"EUR","express":${number % 3 === 0},"items":[${number % 7},${number % 11}],"note":"`;
  const end = '"}}';
  return start + 'x'.repeat(sampleEventBytes - start.length - end.length) + end;
}

export function sampleLines(first: number, count: number): string {
  let lines = '';
  for (let number = first; number < first + count; number += 1) lines += `${sampleEvent(number)}\n`;
  return lines;
}
