import { setFlagsFromString } from 'node:v8';
import { expect, it } from 'vitest';

// V8's own functions can only be named in text that is compiled while they may be.
setFlagsFromString('--allow-natives-syntax');
const areLaidOut: (object: object) => boolean = new Function('object', 'return %HasFastProperties(object)') as never;
setFlagsFromString('--no-allow-natives-syntax');

it('leaves the methods of strings as optimised code wants them, whoever extends String', async () => {
  class Text extends String {}
  expect(new Text('made').valueOf()).toBe('made');
  expect(areLaidOut(String.prototype)).toBe(false);
  await import('./client.ts');
  expect(areLaidOut(String.prototype)).toBe(true);
  class Other extends String {}
  expect(new Other('made').valueOf()).toBe('made');
  expect(areLaidOut(String.prototype)).toBe(true);
});
